"""Manual pages: a little of Markdown, laid out for a terminal.

What is known: headings, paragraphs, items that begin with `- `, blocks indented by four spaces, and `code`.
"""

from __future__ import annotations

from cloudos.apps.administration.formats import columns_of
from cloudos.apps.administration.screen import BOLD, PLAIN
from cloudos.lang import U64, managed, write_text
from cloudos.sdk import ByteBuffer, List, Text, stdout

BACKTICK = ord("`")
HASH = ord("#")
INDENT = U64(4)
HANGING = U64(2)  # columns more, behind the dash of an item
NARROWEST = U64(20)


@managed
class Layout:
    """Writes a page to standard output, at most `width` columns wide."""

    width: U64
    bold: bool
    words: List[Text]  # of the paragraph that is being read
    item: bool  # which is an item
    code: bool  # whether a span of code is open
    column: U64

    def line(self, line: Text) -> None:
        """Take one line of the file."""
        if line.starts_with("    ") and self.words.length == 0:
            write_text(stdout, f"    {line}\n")
            return
        stripped = line.strip()
        if stripped.length == 0:
            self.end()
            write_text(stdout, "\n")
        elif stripped.starts_with("#"):
            self.end()
            self.heading(stripped)
        elif stripped.starts_with("- "):
            self.end()
            self.item = True
            self.words.extend(stripped.slice(U64(2), stripped.length).words())
        else:
            self.words.extend(stripped.words())

    def heading(self, line: Text) -> None:
        """Write a heading, bold on a terminal."""
        start = U64(0)
        while start < line.length and line[start] == HASH:
            start += 1
        if self.bold:
            write_text(stdout, BOLD)
        write_text(stdout, f"{line.slice(start, line.length).strip()}")
        if self.bold:
            write_text(stdout, PLAIN)
        write_text(stdout, "\n")

    def end(self) -> None:
        """Write the paragraph that was read."""
        if self.words.length == 0:
            return
        indent = INDENT + HANGING if self.item else INDENT
        self.column = U64(0)
        for word in self.words:
            width = columns_of(word.content) - marks_in(word)
            if self.column > 0 and self.column + 1 + width > max(self.width, NARROWEST):
                write_text(stdout, "\n")
                self.column = U64(0)
            if self.column > 0:
                write_text(stdout, " ")
                self.column += 1
            else:
                self.start_line(indent)
            self.word(word)
            self.column += width
            self.item = False
        write_text(stdout, "\n")
        self.words = List[Text]()
        self.code = False

    def start_line(self, indent: U64) -> None:
        """Indent a line; the first one of an item begins with its dash."""
        self.column = indent
        used = U64(0)
        if self.item:
            write_text(stdout, "    - ")
            used = INDENT + HANGING
        for _ in U64.range(used, indent):
            write_text(stdout, " ")

    def word(self, word: Text) -> None:
        """Write a word; what stands between backticks is bold on a terminal."""
        out = ByteBuffer()
        if self.bold and self.code:
            write_text(out, BOLD)
        for byte in word.content:
            if byte != BACKTICK:
                out.append(byte)
                continue
            self.code = not self.code
            if self.bold:
                write_text(out, BOLD if self.code else PLAIN)
        if self.bold and self.code:
            write_text(out, PLAIN)
        stdout.write(out.content())


def marks_in(word: Text) -> U64:
    """How many bytes of a word are not shown."""
    count = U64(0)
    for byte in word.content:
        if byte == BACKTICK:
            count += 1
    return count


def layout(width: U64, bold: bool) -> Layout:
    """A layout at the start of a page."""
    return Layout(width, bold, List[Text](), False, False, U64(0))


def without_marks(text: Text) -> Text:
    """A text without its backticks."""
    out = ByteBuffer()
    for byte in text.content:
        if byte != BACKTICK:
            out.append(byte)
    return out.to_text()
