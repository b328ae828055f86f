"""Completion of what a person types: commands, variables, files."""

from __future__ import annotations

from cloudos.apps.shell.builtin_names import standard_path
from cloudos.apps.shell.characters import (
    AMPERSAND,
    BACKQUOTE,
    BACKSLASH,
    BAR,
    DOLLAR,
    OPEN,
    OPEN_BRACE,
    SEMICOLON,
    SLASH,
    TILDE,
    ends_word,
    is_blank,
    is_name_byte,
)
from cloudos.apps.shell.context import Context
from cloudos.apps.shell.environment import is_directory, is_program, list_names
from cloudos.apps.shell.state import State
from cloudos.contracts.console import Console
from cloudos.contracts.errors import ServiceError
from cloudos.lang import U8, U64, Slice, managed, write_text
from cloudos.sdk import ByteBuffer, List, Text

SPACES = 2  # between columns
NARROWEST = 20


@managed
class Candidates:
    """What a word may become."""

    texts: List[Text]

    def offer(self, text: Text, prefix: Text) -> None:
        """One more, if it begins as the word does and is not there yet."""
        if text.length >= prefix.length and text.content[0 : prefix.length].equals(prefix.content):
            if text not in self.texts:
                self.texts.append(text)

    def common(self) -> Text:
        """What all of them begin with."""
        first = self.texts[0]
        length = first.length
        for text in self.texts:
            same = U64(0)
            while same < min(length, text.length) and text[same] == first[same]:
                same += 1
            length = same
        return first.slice(U64(0), length)


def word_start(line: Text, cursor: U64) -> U64:
    """Where the word at the cursor begins."""
    start = cursor
    while start > 0:
        before = line[start - 1]
        if (ends_word(before) or before == 0x3D) and not (start > 1 and line[start - 2] == BACKSLASH):
            break
        start -= 1
    return start


def is_command_position(line: Text, start: U64) -> bool:
    """Whether a command's name stands at a position."""
    at = start
    while at > 0 and is_blank(line[at - 1]):
        at -= 1
    if at == 0:
        return True
    before = line[at - 1]
    return (
        before == BAR
        or before == AMPERSAND
        or before == SEMICOLON
        or before == OPEN
        or before == BACKQUOTE
        or before == OPEN_BRACE
    )


def candidates(context: Context, line: Text, start: U64, cursor: U64) -> tuple[Candidates, U64]:
    """What the word may become, and where the part begins that is replaced."""
    found = Candidates(List[Text]())
    name = cursor
    while name > start and is_name_byte(line[name - 1]):
        name -= 1
    braced = name > start + 1 and line[name - 1] == OPEN_BRACE and line[name - 2] == DOLLAR
    if braced or (name > start and line[name - 1] == DOLLAR):
        prefix = line.slice(name, cursor)
        for variable in context.state.variables:
            found.offer(variable, prefix)
        found.texts.sort()
        return found, name
    word = unescaped(line.content[start:cursor])
    if is_command_position(line, start) and word.find("/") is None:
        offer_commands(context, word, found)
    else:
        offer_files(context.state, word, found)
    found.texts.sort()
    return found, start


def offer_commands(context: Context, word: Text, found: Candidates) -> None:
    """Builtins, functions, and programs in PATH."""
    for name in context.builtins:
        found.offer(name, word)
    for name in context.state.functions:
        found.offer(name, word)
    value = context.state.value("PATH")
    path = standard_path() if value is None else value
    for directory in path.split(":"):
        base = context.state.absolute(directory)
        for name in list_names(base):
            if name.length >= word.length and name.content[0 : word.length].equals(word.content):
                if is_program(Text(f"{base}/{name}")):
                    found.offer(name, word)


def offer_files(state: State, word: Text, found: Candidates) -> None:
    """Files and directories; those a dot begins only when the word has it."""
    slash = U64(0)
    for at in U64.range(word.length):
        if word[at] == SLASH:
            slash = at + 1
    directory = word.slice(U64(0), slash)
    home = state.value("HOME")
    base = directory
    if home is not None and directory.length > 1 and directory[0] == TILDE and directory[1] == SLASH:
        base = home + directory.slice(U64(1), directory.length)
    rest = word.slice(slash, word.length)
    for name in list_names(state.absolute(base)):
        if name[0] == 0x2E and (rest.length == 0 or rest[0] != 0x2E):
            continue
        whole = directory + name
        if is_directory(state.absolute(base + name)):
            whole = whole + Text("/")
        found.offer(whole, word)


def unescaped(text: Slice[U8]) -> Text:
    """A word without backslashes and quotes."""
    result = ByteBuffer()
    at = U64(0)
    while at < text.length:
        byte = text[at]
        if byte == BACKSLASH and at + 1 < text.length:
            at += 1
            byte = text[at]
            result.append(byte)
        elif byte != 0x22 and byte != 0x27:
            result.append(byte)
        at += 1
    return result.to_text()


def escaped(text: Text) -> Text:
    """A name as it has to be typed."""
    result = ByteBuffer()
    for byte in text.content:
        special = ends_word(byte) or byte == DOLLAR or byte == BACKSLASH or byte == 0x22 or byte == 0x27
        if special or byte == BACKQUOTE or byte == 0x2A or byte == 0x3F or byte == 0x5B:
            result.append(U8(BACKSLASH))
        result.append(byte)
    return result.to_text()


def complete(context: Context, line: Text, cursor: U64, console: Console) -> tuple[Text, U64]:
    """The line and the cursor after the Tab key; several candidates are shown. Raises ServiceGone."""
    start = word_start(line, cursor)
    found, place = candidates(context, line, start, cursor)
    if found.texts.length == 0:
        return line, cursor
    common = found.common()
    word = escaped(common)
    only = found.texts.length == 1
    if not only and word.length <= cursor - place:
        show(context, found.texts, console)
        return line, cursor
    if only and not common.ends_with("/"):
        word = word + Text(" ")
    front = line.slice(U64(0), place) + word
    return front + line.slice(cursor, line.length), front.length


def show(context: Context, texts: List[Text], console: Console) -> None:
    """Show candidates in columns, from top to bottom."""
    width = U64(80)
    try:
        columns, _ = console.window()
        width = max(columns, U64(NARROWEST))
    except ServiceError:
        pass
    output = ByteBuffer()
    layout(texts, width, output)
    context.state.show_error(output)


def layout(texts: List[Text], width: U64, output: ByteBuffer) -> None:
    """Texts in as many columns as fit into a width."""
    widest = U64(0)
    for text in texts:
        widest = max(widest, text.length)
    columns = max(width // (widest + SPACES), U64(1))
    rows = (texts.length + columns - 1) // columns
    for row in U64.range(rows):
        for column in U64.range(columns):
            number = column * rows + row
            if number >= texts.length:
                break
            output.write(texts[number].content)
            if number + rows < texts.length:
                for _ in U64.range(widest + SPACES - texts[number].length):
                    output.append(U8(0x20))
        write_text(output, "\n")
