"""xargs: commands with arguments from standard input."""

from __future__ import annotations

from cloudos.apps.counts import to_count
from cloudos.apps.options import Options, Usage, parse_leading
from cloudos.apps.toolbox.commands import CANNOT_RUN, Runner, runner
from cloudos.lang import U8, U64, managed, write_text
from cloudos.sdk import ByteBuffer, InvalidNumber, List, Text, print_error, stderr, stdin

SOME_FAILED = 123
STOPPED = 124  # by a command that ended with 255
END_STATUS = 255
LONGEST = 60_000  # bytes of arguments; the loader takes 128 KB with what it adds to each
MOST = 1000  # arguments of one command
EVER = 0xFFFF_FFFF
NONE = 0x100
BACKSLASH = ord("\\")
QUOTE = ord("'")
DOUBLE_QUOTE = ord('"')
NEWLINE = ord("\n")


@managed
class Input:
    """Standard input as items."""

    content: ByteBuffer
    at: U64
    # A byte that ends items; NONE: blanks and newlines do, and quotes and backslashes have their meaning.
    delimiter: U64
    # Whether the item that was read was the last of its line; a blank at the end goes on with the next line.
    line_ended: bool
    # Whether items are whole lines: blanks do not end them.
    lines: bool

    def next(self) -> Text | None:
        """The next item; None when there are no more. Raises Usage for a quote that nothing ends."""
        delimiter = self.delimiter
        if delimiter != NONE:
            return self.delimited(U8(delimiter))
        while self.at < self.content.length and is_blank(self.content[self.at]):
            self.at += 1
        if self.at == self.content.length:
            return None
        item = ByteBuffer()
        while self.at < self.content.length:
            byte = self.content[self.at]
            if byte == NEWLINE or (is_blank(byte) and not self.lines):
                break
            self.at += 1
            if byte == QUOTE or byte == DOUBLE_QUOTE:
                self.quoted(byte, item)
            elif byte == BACKSLASH and self.at < self.content.length:
                item.append(self.content[self.at])
                self.at += 1
            else:
                item.append(byte)
        self.line_ended = self.at == self.content.length or self.content[self.at] == NEWLINE
        return item.to_text()

    def delimited(self, delimiter: U8) -> Text | None:
        """The bytes up to the delimiter."""
        start = self.at
        if start == self.content.length:
            return None
        while self.at < self.content.length and self.content[self.at] != delimiter:
            self.at += 1
        item = Text.from_bytes(self.content.content()[start : self.at])
        if self.at < self.content.length:
            self.at += 1
        self.line_ended = True
        return item

    def quoted(self, quote: U8, into: ByteBuffer) -> None:
        """What stands between quotes. Raises Usage."""
        while self.at < self.content.length and self.content[self.at] != NEWLINE:
            byte = self.content[self.at]
            self.at += 1
            if byte == quote:
                return
            into.append(byte)
        print_error(f"xargs: unmatched {'double' if quote == DOUBLE_QUOTE else 'single'} quote")
        raise Usage


def is_blank(byte: U8) -> bool:
    """Whether it stands between items."""
    return byte == 0x20 or 0x09 <= byte <= 0x0D


@managed
class Builder:
    """Makes command lines and runs them."""

    runner: Runner
    command: List[Text]
    # What is replaced by an item; None: items come behind the command.
    marker: Text | None
    trace: bool
    status: U8

    def run(self, items: List[Text]) -> bool:
        """Run the command with items; False when there is to be no further one."""
        marker = self.marker
        fields = List[Text]()
        for word in self.command:
            if marker is None or items.length == 0:
                fields.append(word)
            else:
                fields.append(replaced(word, marker, items[0]))
        if marker is None:
            fields.extend(items)
        if self.trace:
            write_text(stderr, f"{Text(' ').join(fields)}\n")
            stderr.flush()
        status = self.runner.run(fields)
        if status >= CANNOT_RUN and status <= CANNOT_RUN + 1:
            self.status = status
            return False
        if status == END_STATUS:
            print_error(f"xargs: {fields[0]}: exited with status 255; aborting")
            self.status = U8(STOPPED)
            return False
        if status != 0:
            self.status = U8(SOME_FAILED)
        return True


def replaced(word: Text, marker: Text, item: Text) -> Text:
    """A word with an item in every place of the marker."""
    return item.join(word.split(f"{marker}"))


def number(options: Options, letter: str, default: U64) -> U64:
    """The value of an option that is a number above 0. Raises Usage."""
    text = options.value(letter)
    if text is None:
        return default
    try:
        value = to_count(text)
        if value > 0:
            return value
    except InvalidNumber:
        pass
    print_error(f"xargs: value {text} for -{letter} option should be a number >= 1")
    raise Usage


def run_all(source: Input, builder: Builder, most: U64, most_lines: U64, longest: U64, skip_empty: bool) -> None:
    """Run as many commands as the items need. Raises Usage."""
    items = List[Text]()
    size, lines, ran = U64(0), U64(0), False
    base = U64(0)
    for word in builder.command:
        base += word.length + 1
    while True:
        item = source.next()
        if item is None:
            break
        full = items.length >= most or lines >= most_lines or base + size + item.length + 1 > longest
        if items.length > 0 and full:
            ran = True
            if not builder.run(items):
                return
            items.clear()
            size, lines = U64(0), U64(0)
        items.append(item)
        size += item.length + 1
        lines += 1 if source.line_ended else 0
    if items.length > 0 or not (ran or skip_empty):
        builder.run(items)


def xargs(arguments: List[Text]) -> U8:
    """Run a command, `echo` unless one is named, with the items of standard input as arguments."""
    try:
        options = parse_leading(arguments, "0rtI:L:n:s:d:P:")
        marker = options.value("I")
        most = U64(1) if marker is not None else min(number(options, "n", U64(MOST)), U64(MOST))
        most_lines = number(options, "L", U64(EVER))
        longest = min(number(options, "s", U64(LONGEST)), U64(LONGEST))
        source = Input(ByteBuffer(), U64(0), delimiter_of(options), False, marker is not None)
        content = stdin.read_all()
        source.content.write(content.content)
        command = options.operands
        if command.length == 0:
            command.append(Text("echo"))
        builder = Builder(runner("xargs", False), command, marker, options.has("t"), U8(0))
        run_all(source, builder, most, most_lines, longest, options.has("r") or marker is not None)
        return builder.status
    except Usage:
        return U8(1)


def delimiter_of(options: Options) -> U64:
    """The byte between items that `-0` and `-d` name. Raises Usage."""
    text = options.value("d")
    if options.has("0"):
        return U64(0)
    if text is None:
        return U64(NONE)
    if text.length == 1:
        return U64(text[0])
    if text.equals("\\n"):
        return U64(NEWLINE)
    if text.equals("\\t"):
        return U64(9)
    if text.equals("\\0"):
        return U64(0)
    print_error(f"xargs: Invalid input delimiter specification {text}")
    raise Usage
