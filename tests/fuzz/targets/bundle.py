"""Boot bundles: what the kernel, the processes that are given one, and the tool make of a header and a table.

An input's bytes stand over the beginning of a good bundle. The kernel refuses it or starts its program; a process
raises BadBundle, or every entry lies in the bundle; the tool raises BundleError.
"""

from __future__ import annotations

from contextlib import suppress

from cloudos.abi.bundle import EntryKind
from cloudos.abi.errors import NotFound
from cloudos.host import bundle as bundles
from cloudos.lang import U64, Region
from cloudos.sdk import component, environment
from cloudos.sdk import files as image_files
from cloudos.sdk.bundle import Bundle, bundle
from cloudos.sdk.errors import BadBundle
from tests.fuzz.boots import boot
from tests.fuzz.services import texts
from tests.fuzz.target import Feed
from tests.sim.world import user

PAGE = 4096


def program(start: int, length: int) -> user.UserCode:
    """Reads what it was given, as far as the kernel says that it goes."""
    if length:
        yield user.Read(start, min(length, 64))
        yield user.Read(start + length - 1, 1)
    return 0


ENTRIES = [
    *bundles.contents(user.executable((program,)), [b"program", b"-x"], {b"A": b"b"}, {b"/f": b"text", b"/g": b"more"}),
    bundles.Entry(bundles.Kind.HANDLE, b"stdin", (7).to_bytes(8, "little")),
    bundles.Entry(bundles.Kind.WIRING, b"", b"component a /a\n"),
]
GOOD = bundles.encode(ENTRIES)


def fuzz(data: bytes) -> None:
    """Read one bundle in all ways."""
    feed = Feed(data)
    form = feed.number()
    over = feed.rest()
    content = over if form & 1 else over + GOOD[len(over) :]
    if form & 2:
        content = content[: len(content) - form * 16]
    read_by_the_tool(content)
    read_by_a_process(content, form)
    if content:
        boot(content, (program,))


def read_by_the_tool(content: bytes) -> None:
    """Entries that are accepted say what was there."""
    try:
        entries = bundles.decode(content)
    except bundles.BundleError:
        return
    assert all(entry.data in content and entry.name in content for entry in entries)


def read_by_a_process(content: bytes, form: int) -> None:
    """As the SDK shows it to a program. The kernel and the loader map whole pages."""
    size = max(-(-len(content) // PAGE) * PAGE, PAGE)
    region = Region(size, PAGE)
    region.data[: len(content)] = content
    before = bundle.content, bundle.count
    try:
        bundle.attach(U64(region.address), U64(size if form & 4 else len(content)))
        look_at(bundle)
    except BadBundle:
        pass
    finally:
        bundle.content, bundle.count = before


def look_at(given: Bundle) -> None:
    """Everything that programs ask of their bundle."""
    for number in U64.range(given.count):
        entry = given.entry(number)
        given.name(entry)
        given.data(entry)
    component.held_names()
    component.held("stdin")
    component.is_component()
    environment.args()
    environment.variable_names()
    environment.variable("A")
    image_files.file_paths()
    for path in texts("/f", "/none"):
        with suppress(NotFound):
            image_files.open_file(path).read_all()
    given.find(EntryKind.WIRING, given.content[0:0])
