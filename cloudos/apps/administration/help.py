"""help: the manual pages."""

from __future__ import annotations

from cloudos.abi.errors import NotFound
from cloudos.apps.administration.access import Failed, need
from cloudos.apps.administration.columns import table
from cloudos.apps.administration.pages import layout, without_marks
from cloudos.apps.administration.screen import on_terminal, window
from cloudos.apps.inputs import reason
from cloudos.apps.options import parse
from cloudos.lang import U8, U64, Error, error_code, write_text
from cloudos.sdk import List, Reader, Text, lines, print_error, stdout
from cloudos.sdk.collections.slices import find_byte
from cloudos.sdk.filesystem import list_directory, open_path

PAGES = "/usr/share/man"
SUFFIX = ".md"
SHELL = "sh"
BUILTINS = "## BUILTINS"
SLASH = ord("/")


def summary(reader: Reader) -> Text:
    """What a page says behind the dash of its first `name - summary`; empty when there is none."""
    while True:
        line = reader.read_line()
        if line is None:
            return Text("")
        dash = line.find(" - ")
        if dash is not None:
            return without_marks(line.slice(dash + 3, line.length))


def builtins(reader: Reader) -> List[Text]:
    """The items of the shell's page under BUILTINS, each `name - summary`."""
    found = List[Text]()
    inside = False
    for line in lines(reader):
        if line.starts_with("## "):
            inside = line.equals(BUILTINS)
        elif inside and line.starts_with("- "):
            found.append(without_marks(line.slice(U64(2), line.length)))
    return found


def show_builtins() -> None:
    """Write what the shell does itself, when its page is there."""
    try:
        items = builtins(open_path(Text(f"{PAGES}/{SHELL}{SUFFIX}")))
    except Error:  # an image without a shell
        return
    if items.length == 0:
        return
    write_text(stdout, "\nThe shell itself knows:\n\n")
    shown = table(U64(2), U64(0))
    for item in items:
        dash = item.find(" - ")
        shown.add_text(item if dash is None else item.slice(U64(0), dash))
        shown.add_text(Text("") if dash is None else item.slice(dash + 3, item.length))
    shown.show()


def list_pages() -> U8:
    """Write the names of all pages with their summaries. Raises Failed when there are none."""
    try:
        names = list_directory(Text(PAGES))
    except Error:
        print_error(f"help: {PAGES}: {reason(error_code())}")
        raise Failed from None
    status = U8(0)
    shown = table(U64(2), U64(0))
    for file in names:
        if not file.ends_with(SUFFIX):
            continue
        name = file.slice(U64(0), file.length - 3)
        try:
            text = summary(open_path(Text(f"{PAGES}/{file}")))
            shown.add_text(name)
            shown.add_text(text)
        except Error:
            print_error(f"help: {PAGES}/{file}: {reason(error_code())}")
            status = U8(1)
    write_text(stdout, "Utilities; `help NAME` tells more of one:\n\n")
    shown.show()
    show_builtins()
    return status


def show_page(name: Text, width: U64, bold: bool) -> U8:
    """Write one page; the status."""
    path = Text(f"{PAGES}/{name}{SUFFIX}")
    try:
        if find_byte(name.content, U8(SLASH)) is not None:
            raise NotFound
        page = layout(width, bold)
        for line in lines(open_path(path)):
            page.line(line)
        page.end()
        return U8(0)
    except NotFound:
        print_error(f"help: there is no manual page for '{name}'")
        return U8(1)
    except Error:
        print_error(f"help: {path}: {reason(error_code())}")
        return U8(1)


def help(arguments: List[Text]) -> U8:
    """List all manual pages, or show those that are named. 1: there is none of a name."""
    names = parse(arguments, "").operands
    need("help", "files", "Files.open")
    if names.length == 0:
        return list_pages()
    bold = on_terminal()
    width, _ = window()
    status = U8(0)
    for name in names:
        if show_page(name, width, bold) != 0:
            status = U8(1)
    return status
