"""Compiled functions loaded into the running interpreter, for tests.

The shared object holds one C entry per function, ``u32 symbol(const u64 *arguments, u64 *results)``, which unpacks
the arguments, calls the compiled function and returns 0 or the code of the error raised. A panic leaves the compiled
code by ``longjmp`` to the call that entered it, so that thousands of failing calls run in one process.
"""

from __future__ import annotations

import ctypes
import shutil
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloudos.compiler.prelude import INTEGERS, PANIC_KINDS

HOST_SUPPORT_NAME = "cloudos.host_support"

FILES_SECTION = "cloudos_files"
"""ELF section with the names of the source files, each ended by a zero byte, in the order of their numbers."""

HOST_SUPPORT_SOURCE = """
/* glibc and musl both keep a jump buffer within 512 bytes on every machine. */
int _setjmp(void *buffer) __attribute__((returns_twice));
void longjmp(void *buffer, int value) __attribute__((noreturn));
void *calloc(u64 count, u64 size);
void free(void *memory);

static u64 jump_buffer[64] __attribute__((aligned(64)));
static u32 panic_site;

#define PANICKED 0xffffffffu

u32 cloudos_host_call(u32 (*entry)(const u64 *, u64 *), const u64 *arguments, u64 *results, u32 *site) {
    if (_setjmp(jump_buffer)) {
        *site = panic_site;
        return PANICKED;
    }
    return entry(arguments, results);
}
HIDDEN void cloudos_panic(u32 site) {
    panic_site = site;
    longjmp(jump_buffer, 1);
}

/* The heap of compiled code: zero-filled, 16-aligned, null when exhausted. Every block carries its size, so that a
   release with another size, or of something never allocated, is noticed. */
u64 cloudos_live;
u64 cloudos_mismatched;
u64 cloudos_largest = 1ul << 32;
#define BLOCK_MARK 0xc10d05b10cul

HIDDEN void *cloudos_allocate(u64 size) {
    u64 *block = size > cloudos_largest ? 0 : calloc(1, size + 16);
    if (!block) return 0;
    block[0] = size;
    block[1] = BLOCK_MARK;
    cloudos_live++;
    return block + 2;
}
HIDDEN void cloudos_release(void *memory, u64 size) {
    u64 *block = (u64 *)memory - 2;
    if (!memory || block[1] != BLOCK_MARK || block[0] != size) {
        cloudos_mismatched++;
        return;
    }
    block[1] = 0;
    cloudos_live--;
    free(block);
}
"""
"""C text (after the prelude) of the unit that catches panics and counts heap objects."""

_PANICKED = 0xFFFFFFFF
_KIND_NAMES = {number: name for name, number in PANIC_KINDS.items()}
_FLOAT_FORMATS = {"f32": "<f", "f64": "<d"}

Value = int | float | bool | bytes | None


@dataclass(frozen=True)
class Entry:
    """How one function is called: kinds are ``u8`` … ``i64``, ``bool``, ``f32``, ``f64`` and ``bytes``.

    Each argument and result takes one 64-bit word (integers extended, floats as their bits). ``bytes`` takes two:
    address and length. A result ``u8?`` (any kind of one word before the mark) takes two: present or not, and value.
    """

    symbol: str
    arguments: tuple[str, ...]
    results: tuple[str, ...]


@dataclass(frozen=True)
class Returned:
    """The function returned these values: none, one, or the members of a tuple."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Raised:
    """The function raised the error class with this code."""

    code: int


@dataclass(frozen=True)
class Panicked:
    """The function panicked: name of the kind, file as the compiler names it, line from 1."""

    kind: str
    file: str
    line: int


Outcome = Returned | Raised | Panicked


class HostLibrary:
    """A loaded shared object and the entries in it, keyed by whatever the compiler's caller knows them by."""

    def __init__(self, path: Path, entries: Mapping[object, Entry]) -> None:
        self.path = path
        self._library = _load(path)
        self._call = self._library.cloudos_host_call
        self._call.restype = ctypes.c_uint32
        self._entries = {
            key: (entry, ctypes.cast(getattr(self._library, entry.symbol), ctypes.c_void_p))
            for key, entry in entries.items()
        }
        self._files = file_names(path)
        self._results = (ctypes.c_uint64 * 64)()
        self._site = ctypes.c_uint32()

    def call(self, function: object, *arguments: Value) -> Outcome:
        """Call ``function`` with plain values. Raises ``KeyError`` when it was not compiled into this library."""
        entry, address = self._entries[function]
        if len(arguments) != len(entry.arguments):
            raise TypeError(f"{entry.symbol} takes {len(entry.arguments)} arguments, not {len(arguments)}")
        words: list[int] = []
        kept: list[object] = []
        for kind, value in zip(entry.arguments, arguments, strict=True):
            words += _pack(kind, value, kept)
        packed = (ctypes.c_uint64 * max(1, len(words)))(*words)
        code = self._call(address, packed, self._results, ctypes.byref(self._site))
        if code == _PANICKED:
            return self._panicked()
        if code != 0:
            return Raised(code)
        return Returned(self._unpack(entry.results))

    def live_objects(self) -> int:
        """Heap blocks allocated and not yet released."""
        return self._counter("cloudos_live").value

    def mismatched_releases(self) -> int:
        """Releases with a size other than that allocated, of null, or of what was already released."""
        return self._counter("cloudos_mismatched").value

    def forget_objects(self) -> None:
        """Set both counts to zero: after a panic, whatever was allocated stays."""
        self._counter("cloudos_live").value = 0
        self._counter("cloudos_mismatched").value = 0

    def limit_allocations(self, largest: int) -> None:
        """Refuse blocks larger than ``largest`` bytes from now on."""
        self._counter("cloudos_largest").value = largest

    def _counter(self, name: str) -> ctypes.c_uint64:
        return ctypes.c_uint64.in_dll(self._library, name)

    def _unpack(self, kinds: tuple[str, ...]) -> tuple[Value, ...]:
        values: list[Value] = []
        at = 0
        for kind in kinds:
            word = self._results[at]
            at += 1
            if kind == "bytes":
                values.append(ctypes.string_at(word, self._results[at]))
                at += 1
            elif kind.endswith("?"):
                values.append(_scalar(kind[:-1], self._results[at]) if word else None)
                at += 1
            else:
                values.append(_scalar(kind, word))
        return tuple(values)

    def _panicked(self) -> Panicked:
        site = self._site.value
        kind, index = site >> 28, site >> 16 & 0xFFF
        file = self._files[index] if index < len(self._files) else f"file {index}"
        return Panicked(_KIND_NAMES.get(kind, str(kind)), file, site & 0xFFFF)


def _load(path: Path) -> ctypes.CDLL:
    """Load the file that is at ``path`` now.

    The dynamic loader knows libraries by name: asked for a name a second time it gives back what it has, although
    another file may have taken the place since. A name of its own for every load avoids that.
    """
    with tempfile.TemporaryDirectory(prefix="cloudos-load-") as directory:
        copy = Path(directory, path.name)
        shutil.copyfile(path, copy)
        return ctypes.CDLL(str(copy))


def file_names(path: Path) -> list[str]:
    """The source files that panic sites name by number, from the section that no loader loads."""
    from elftools.elf.elffile import ELFFile  # 50 ms that only tests need to spend

    with path.open("rb") as file:
        section = ELFFile(file).get_section_by_name(FILES_SECTION)
        content = bytes(section.data()) if section is not None else b""
    return [name.decode() for name in content.split(b"\0")[:-1]]


def _pack(kind: str, value: Value, kept: list[object]) -> list[int]:
    """The 64-bit words of one argument; buffers that must outlive the call are added to ``kept``."""
    if kind == "bytes":
        if not isinstance(value, bytes):
            raise TypeError(f"a {kind} argument cannot be {value!r}")
        buffer = ctypes.create_string_buffer(value, max(1, len(value)))
        kept.append(buffer)
        return [ctypes.addressof(buffer), len(value)]
    if isinstance(value, bytes) or value is None:
        raise TypeError(f"a {kind} argument cannot be {value!r}")
    if kind in _FLOAT_FORMATS:
        return [int.from_bytes(struct.pack(_FLOAT_FORMATS[kind], value), "little")]
    return [int(value) & 0xFFFF_FFFF_FFFF_FFFF]


def _scalar(kind: str, word: int) -> Value:
    if kind == "bool":
        return bool(word & 1)
    if kind in _FLOAT_FORMATS:
        size = struct.calcsize(_FLOAT_FORMATS[kind])
        return float(struct.unpack(_FLOAT_FORMATS[kind], word.to_bytes(8, "little")[:size])[0])
    bits, signed = INTEGERS[kind]
    value = word & ((1 << bits) - 1)
    return value - (1 << bits) if signed and value >> (bits - 1) else value
