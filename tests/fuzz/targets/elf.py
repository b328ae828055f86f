"""ELF files: the kernel's loader, by booting a bundle with such a program; the SDK's, which the loader service and init
use; and the tool's own reading.

An input's bytes stand over the beginning of a good file, so that a few of them change the headers. The kernel refuses
or runs it, and is sound then; the SDK raises BadProgram or QuotaExceeded, or gives segments that are whole pages within
the addresses for programs, never writable and executable at once; the tool gives bytes or raises ValueError.
"""

from __future__ import annotations

from contextlib import suppress

from cloudos.abi import layout
from cloudos.abi.errors import QuotaExceeded
from cloudos.contracts.errors import BadProgram
from cloudos.host import bundle as bundles
from cloudos.host import elf
from cloudos.lang import U8, U64, Ptr, Region, Slice, VirtAddr
from cloudos.sdk import models
from cloudos.sdk.executable import Executable, read_executable
from cloudos.sdk.local_system import LocalModel, MemoryObject
from cloudos.sdk.memory import EXECUTE, WRITE
from tests.fuzz.boots import boot
from tests.fuzz.services import unmap_all
from tests.fuzz.target import Feed
from tests.sim.world import user

PAGE = layout.PAGE_SIZE
QUOTA, SOURCE = 3, 4
LARGEST = 1 << 22
MACHINE = slice(18, 20)


def program(number: int, _: int) -> user.UserCode:
    """What a file that is good runs."""
    yield user.call("system_null")
    return 0


GOOD = user.executable((program,))
SIMULATED, REAL = GOOD[MACHINE], (62).to_bytes(2, "little")


class Model(LocalModel):
    """A quota that does not pay for more than `LARGEST` at a time."""

    def memory_create(self, quota: U64, length: U64, kind: U64) -> U64:
        if length > LARGEST:
            raise QuotaExceeded
        return super().memory_create(quota, length, kind)


def fuzz(data: bytes) -> None:
    """Read one file in all ways."""
    feed = Feed(data)
    form = feed.number()
    over = feed.rest()
    content = over if form & 1 else over + GOOD[len(over) :]
    if form & 2:
        content = content[: PAGE + form]
    read_by_the_tool(content)
    read_by_the_sdk(content, form)
    boot(bundles.encode(bundles.contents(content, [b"program"], {}, {})), (program,))


def read_by_the_tool(content: bytes) -> None:
    """The tool's three functions."""
    stripped = elf.stripped(content)
    assert len(stripped) <= len(content)
    assert elf.architecture(content) in ("x86_64", "aarch64")
    with suppress(ValueError):
        elf.flat(content)


def read_by_the_sdk(content: bytes, form: int) -> None:
    """As a file that was read, and as one that lies in memory that can be shown. The SDK knows real processors only."""
    if content[MACHINE] == SIMULATED:
        content = content[: MACHINE.start] + REAL + content[MACHINE.stop :]
    model = Model()
    models.install(model)
    size = -(-len(content) // PAGE) * PAGE
    model.memories[SOURCE] = MemoryObject(bytearray(content.ljust(size, b"\0")))
    region = Region(len(content), PAGE)
    region.data[:] = content
    image: Slice[U8] = Slice.of(Ptr.at(U8, VirtAddr(region.address)), U64(len(content)))
    try:
        if form & 4:
            made = read_executable(image, U64(QUOTA), U64(SOURCE), U64(0), bool(form & 8))
        else:
            made = read_executable(image, U64(QUOTA))
        check(made, len(content))
    except (BadProgram, QuotaExceeded):
        pass
    finally:
        unmap_all(model)
        models.install(models.SystemModel())


def check(made: Executable, length: int) -> None:
    """What was accepted is as it must be."""
    entered = False
    for segment in made.segments:
        start, end = int(segment.address), int(segment.address + segment.length)
        access = int(segment.access)
        assert start % PAGE == 0 and end % PAGE == 0 and start < end
        assert start >= layout.USER_START and end <= layout.STARTED_START
        assert access & (WRITE | EXECUTE) != WRITE | EXECUTE
        assert segment.content.length <= length
        assert int(segment.offset) % PAGE == 0 or int(segment.memory) == 0
        entered = entered or (start <= int(made.entry) < end and bool(access & EXECUTE))
    assert entered
