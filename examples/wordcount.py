"""Print the most frequent words of a text.

    bin/cloudos run --file book.txt examples/wordcount.py -n 20 book.txt
    bin/cloudos run examples/wordcount.py < book.txt

    wordcount [-n N] [FILE]

A word is a maximal run of ASCII letters, and capitals count as small letters. Each line has a count and a word, the
most frequent first (10 of them, or N), equally frequent ones in alphabetical order. Without FILE, or with `-`, the
text is standard input.
"""

from __future__ import annotations

from cloudos.lang import U8, U64, Error, Slice, free_slice, managed, new_slice, struct
from cloudos.sdk import (
    ByteBuffer,
    InvalidNumber,
    List,
    Map,
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
SLACK = 1000  # words that may wait beyond the best N before they are sorted in


class Usage(Error):
    """The arguments do not make sense."""


@managed
class Counter:
    """Counts the words of a text that comes in pieces."""

    counts: Map[Text, U64]
    word: ByteBuffer  # the letters of the word under way

    def __init__(self) -> None:
        self.counts = Map[Text, U64]()
        self.word = ByteBuffer()

    def update(self, content: Slice[U8]) -> None:
        """Count the words in the next piece; the last one may go on in the piece after it."""
        word = self.word
        for byte in content:
            letter = byte | 0x20  # makes capitals small and leaves small letters alone
            if letter >= SMALL_A and letter <= SMALL_Z:
                word.append(letter)
            elif word.length > 0:
                self.finish_word()

    def finish_word(self) -> None:
        """Count the word under way, if there is one."""
        if self.word.length > 0:
            word = self.word.to_text()
            self.counts[word] = self.counts.get(word, U64(0)) + 1
            self.word.clear()


@managed
class Entry:
    """A line of the result."""

    word: Text
    count: U64


@struct
class ByFrequency:
    """The order of the result: higher counts first, then byte order."""

    def less(self, left: Entry, right: Entry) -> bool:
        if left.count != right.count:
            return left.count > right.count
        return left.word < right.word


def most_frequent(counts: Map[Text, U64], lines: U64) -> List[Entry]:
    """The first `lines` entries of the result, without sorting all words for the sake of ten."""
    best = List[Entry]()
    if lines == 0:
        return best
    order = ByFrequency()
    room = lines.saturating_mul(2).saturating_add(SLACK)
    least = U64(0)  # a word with fewer occurrences than this cannot be among the best
    for word, count in counts.items():
        if count >= least:
            best.append(Entry(word, count))
            if best.length == room:
                best.sort_by(order)
                best.truncate(lines)
                least = best[lines - 1].count
    best.sort_by(order)
    best.truncate(min(lines, best.length))
    return best


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


def count_words(reader: Reader) -> Map[Text, U64]:
    """How often each word occurs in all that is left to read."""
    counter = Counter()
    chunk = new_slice(U8, CHUNK)
    while True:
        length = reader.read(chunk)
        if length == 0:
            break
        counter.update(chunk[0:length])
    free_slice(chunk)
    counter.finish_word()
    return counter.counts


def count_path(path: Text) -> Map[Text, U64]:
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
    for entry in most_frequent(counts, options.lines):
        print(f"{entry.count} {entry.word}")
    return U8(0)


if __name__ == "__main__":
    run(main)
