"""The system calls as CPython runs them, for `hosted.run` and for tests. Not part of compiled programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from cloudos.abi.errors import BadAddress, BadArgument, BadHandle, OutOfMemory
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U8, U32, U64, Region, UserPtr, current_address_space

if TYPE_CHECKING:
    from cloudos.sdk.ipc import Message

PAGE = 4096

_current: SystemModel | None = None


def install(model: SystemModel) -> None:
    """Make `model` answer the system calls from now on."""
    global _current
    _current = model


def current() -> SystemModel:
    """The model that answers system calls; one over CPython's streams unless another was installed."""
    if _current is None:
        install(SystemModel())
    assert _current is not None
    return _current


class PanicReported(Exception):
    """The program called process_panic."""


class SystemModel:
    """What the kernel does for one process. Each method is the system call of its name."""

    def __init__(
        self,
        stdin: BinaryIO | None = None,
        stdout: BinaryIO | None = None,
        stderr: BinaryIO | None = None,
        memory_limit: int = 1 << 30,
    ) -> None:
        self.stdin = stdin if stdin is not None else sys.stdin.buffer
        self.outputs = {
            1: stdout if stdout is not None else sys.stdout.buffer,
            2: stderr if stderr is not None else sys.stderr.buffer,
        }
        self.memory_limit = memory_limit
        self.mapped: dict[int, Region] = {}
        self.services: dict[int, Callable[[Message], None]] = {}
        """What answers calls through a handle: the `__dispatch__` of a server."""

    def message_enter(self, message: Message, number: U64, handle: U64) -> U64:
        """Calls to the services that were installed; other messages need the machine."""
        name = SYSTEM_CALLS[int(number)].name
        if name not in ("message_call", "message_send"):
            raise NotImplementedError("messages need the machine: run the program with `cloudos run`")
        dispatch = self.services.get(int(handle))
        if dispatch is None:
            return U64(BadHandle.code)
        message.badge = handle
        # Nobody uses the handle for the answer, but it says that there is to be one.
        message.reply = U64(1 if name == "message_call" else 0)
        dispatch(message)
        return U64(0)

    def handle_close(self, handle: U64) -> None:
        if self.services.pop(int(handle), None) is None:
            raise BadHandle

    def system_null(self) -> U64:
        return U64(0)

    def process_exit(self, status: U8) -> NoReturn:
        for stream in self.outputs.values():
            stream.flush()
        raise SystemExit(int(status))

    def process_panic(self, site: U32, message: UserPtr[U8], length: U64) -> NoReturn:
        text = self._load(message, length) if int(length) else b""
        raise PanicReported(f"site {int(site):#x}: {text.decode(errors='replace')}")

    def console_write(self, stream: U64, data: UserPtr[U8], length: U64) -> U64:
        if int(stream) not in self.outputs:
            raise BadArgument
        if length > 0:
            self.outputs[int(stream)].write(self._load(data, length))
            self.outputs[int(stream)].flush()
        return length

    def console_read(self, data: UserPtr[U8], length: U64) -> U64:
        if length == 0:
            return U64(0)
        region, offset = self._find(data, length)
        reader: Callable[[int], bytes] = getattr(self.stdin, "read1", self.stdin.read)
        content = reader(int(length))
        region.data[offset : offset + len(content)] = content
        if region.mask is not None:
            region.mask[offset : offset + len(content)] = b"\1" * len(content)
        return U64(len(content))

    def memory_map(self, length: U64) -> U64:
        size = (int(length) + PAGE - 1) // PAGE * PAGE
        if size == 0:
            raise BadArgument
        if size + sum(region.size for region in self.mapped.values()) > self.memory_limit:
            raise OutOfMemory
        region = current_address_space().allocate(size, PAGE, initialised=True)
        self.mapped[region.address] = region
        return U64(region.address)

    def memory_unmap(self, address: U64, length: U64) -> None:
        """Unlike the kernel, give back whole mappings only: the heap never asks for less."""
        region = self.mapped.get(int(address))
        if region is None or region.size != int(length):
            raise BadArgument
        del self.mapped[int(address)]
        current_address_space().free(region)

    def clock_read(self) -> U64:
        return U64(time.monotonic_ns())

    def thread_sleep(self, duration_ns: U64) -> None:
        time.sleep(int(duration_ns) / 1e9)

    def _load(self, data: UserPtr[U8], length: U64) -> bytes:
        region, offset = self._find(data, length)
        return bytes(region.data[offset : offset + int(length)])

    def _find(self, data: UserPtr[U8], length: U64) -> tuple[Region, int]:
        """The region and offset behind a user pointer; raises BadAddress."""
        found = current_address_space().find(int(data.address))
        if found is None or found[1] + int(length) > found[0].size:
            raise BadAddress
        return found
