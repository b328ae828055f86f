"""Print the most frequent words of a text.

    bin/cloudos run --file book.txt examples/wordcount.py -n 20 book.txt
    bin/cloudos run examples/wordcount.py < book.txt

    wordcount [-n N] [FILE]

A word is a maximal run of ASCII letters, and capitals count as small letters. Each line has a count and a word, the
most frequent first (10 of them, or N), equally frequent ones in alphabetical order. Without FILE, or with `-`, the
text is standard input.
"""

from __future__ import annotations

from cloudos.lang import U8, U64, Error, Slice, free_slice, managed, new_slice
from cloudos.sdk import (
    ByteBuffer,
    Counter,
    InvalidNumber,
    List,
    NotFound,
    Reader,
    Text,
    open_file,
    print,
    print_error,
    run,
    stdin,
)

DEFAULT_LINES = 10
SMALL_A = ord("a")
SMALL_Z = ord("z")
CHUNK = 65536  # bytes read at a time


class Usage(Error):
    """The arguments do not make sense."""


@managed
class Words:
    """Counts the words of a text that comes in pieces."""

    counts: Counter
    begun: ByteBuffer  # the first part of a word that goes on in the next piece

    def __init__(self) -> None:
        self.counts = Counter()
        self.begun = ByteBuffer()

    def update(self, piece: Slice[U8]) -> None:
        """Count the words in the next piece of the text, whose capitals become small letters."""
        start = U64(0)
        for i in U64.range(piece.length):
            letter = piece[i] | 0x20  # makes capitals small, and nothing else a letter that is none
            if letter >= SMALL_A and letter <= SMALL_Z:
                piece[i] = letter
            else:
                self.finish_word(piece[start:i])
                start = i + 1
        self.begun.write(piece[start : piece.length])

    def finish_word(self, ending: Slice[U8]) -> None:
        """Count the word that ends with these letters, if there are any."""
        if self.begun.length > 0:
            self.begun.write(ending)
            self.counts.add(self.begun.content())
            self.begun.clear()
        elif ending.length > 0:
            self.counts.add(ending)


@managed
class Options:
    """What the arguments ask for."""

    lines: U64
    path: Text


def parse_lines(text: Text) -> U64:
    """The N of an option; raises Usage."""
    try:
        value = text.to_integer()
    except InvalidNumber:
        print_error(f"wordcount: invalid number of lines: '{text}'")
        raise Usage from None
    if value < 0:
        print_error(f"wordcount: invalid number of lines: '{text}'")
        raise Usage
    return U64(value)


def parse(args: List[Text]) -> Options:
    """Read the arguments; raises Usage when they make no sense."""
    options = Options(U64(DEFAULT_LINES), Text("-"))
    paths = U64(0)
    only_paths = False
    i = U64(1)
    while i < args.length:
        argument = args[i]
        i += 1
        if only_paths or argument.equals("-") or not argument.starts_with("-"):
            options.path = argument
            paths += 1
        elif argument.equals("--"):
            only_paths = True
        elif argument.equals("-n"):
            if i == args.length:
                print_error("wordcount: option requires an argument -- 'n'")
                raise Usage
            options.lines = parse_lines(args[i])
            i += 1
        elif argument.starts_with("-n"):
            options.lines = parse_lines(argument.slice(U64(2), argument.length))
        else:
            print_error(f"wordcount: invalid option '{argument}'")
            raise Usage
    if paths > 1:
        print_error(f"wordcount: extra operand '{options.path}'")
        raise Usage
    return options


def count_words(reader: Reader) -> Counter:
    """How often each word occurs in all that is left to read."""
    words = Words()
    chunk = new_slice(U8, CHUNK)
    while True:
        length = reader.read(chunk)
        if length == 0:
            break
        words.update(chunk[0:length])
    words.finish_word(chunk[0:0])
    free_slice(chunk)
    return words.counts


def count_path(path: Text) -> Counter:
    """Count the words of a file, or of standard input for `-`; raises NotFound."""
    if path.equals("-"):
        return count_words(stdin)
    return count_words(open_file(path))


def main(args: List[Text]) -> U8:
    try:
        options = parse(args)
    except Usage:
        print_error("usage: wordcount [-n N] [FILE]")
        return U8(2)
    try:
        counts = count_path(options.path)
    except NotFound:
        print_error(f"wordcount: {options.path}: No such file or directory")
        return U8(1)
    for tally in counts.most_common(options.lines):
        print(f"{tally.count} {tally.text}")
    return U8(0)


if __name__ == "__main__":
    run(main)
