"""Threads of processes: each runs on a stack of its own, and gives control away with every instruction of the machine.

A `Thread` is user code of the simulated machine, a generator of instructions. They come from the program's functions,
which run on a greenlet and hand over each system call, and each access to memory that their tables do not allow.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from greenlet import GreenletExit, getcurrent, greenlet

from cloudos.lang import U64, current_address_space
from tests.simulation.kernel import board, user
from tests.simulation.modules import PRIVATE_START, Modules

MESSAGE = struct.Struct("<11Q")
NOTHING = user.Reply(0, 0, words=(0,) * 8)


class Everything:
    """A set that holds everything: all handles are answered by the machine."""

    def __contains__(self, _: object) -> bool:
        return True


class UserZone:
    """Where the next regions of processes get their addresses."""

    next = PRIVATE_START


class Process:
    """What runs in a copy of modules: the model that answers its system calls by making them."""

    services = Everything()

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self.thread: Thread | None = None
        modules["cloudos.sdk.models"]._current = self
        modules["cloudos.sdk.system"]._model = self.call
        random = modules.modules.get("cloudos.sdk.hardware_random")
        if random is not None:
            random.MODEL.word = lambda: board.current().random.getrandbits(64)

    def enter(self, instruction: user.Instruction) -> Any:
        """Have the machine execute an instruction; its result."""
        thread = self.thread
        current = getcurrent()
        if thread is None or thread.stack is not current:
            # An object of a process that has ended goes: the kernel has closed all its handles.
            return NOTHING
        if thread.ending:
            raise GreenletExit
        return current.parent.switch(instruction)

    def call(self, number: U64, registers: list[U64]) -> tuple[U64, U64]:
        """A system call; error and value."""
        reply = self.enter(user.Call(number._value, tuple(register._value for register in registers)))
        return U64(reply.error), U64(reply.value)

    def message_enter(self, message: Any, number: U64, handle: U64) -> U64:
        """A system call with a message in the registers; the error."""
        region, offset = message._region, message._offset
        tag, *words, _, answer = MESSAGE.unpack_from(region.data, offset)
        call = user.Call(number._value, (handle._value, tag, *words[:4]), tuple(words[4:]), answer)
        reply = self.enter(call)
        if reply.error == 0:
            MESSAGE.pack_into(region.data, offset, reply.tag, *reply.words, reply.badge, reply.reply)
        return U64(reply.error)


class Thread:
    """The first thread of a process: `code` is what the machine runs."""

    def __init__(self, process: Process, body: Callable[[], None], release: Callable[[Process], None]) -> None:
        self.process = process
        self.body = body
        self.release = release
        self.ending = False
        self.stack: Any = greenlet(self._run)

    def _run(self) -> None:
        try:
            self.body()
        except GreenletExit:
            if not self.ending:
                raise

    def code(self) -> user.UserCode:
        """Instructions, until the process ends."""
        space = current_address_space()
        self.process.thread = self
        result: Any = None
        try:
            while True:
                kernel = space.place_from(UserZone.next)
                try:
                    instruction = self.stack.switch(result) if self.stack else self.stack.switch()
                finally:
                    UserZone.next = space.place_from(kernel)
                if self.stack.dead:
                    raise AssertionError("a program came to its end without a system call")
                result = yield instruction
        finally:
            self._end()

    def _end(self) -> None:
        self.ending = True
        if self.stack and not self.stack.dead:
            self.stack.throw(GreenletExit)
        self.process.thread = None
        self.release(self.process)


def ignore_ends() -> None:
    """A process may end in the midst of an object's end, where CPython would report what ends it."""
    usual = sys.unraisablehook

    def hook(report: Any) -> None:
        if report.exc_type is not GreenletExit:
            usual(report)

    sys.unraisablehook = hook


def program_body(modules: Modules, main: Callable[..., Any], address: int, length: int) -> Callable[[], NoReturn]:
    """What the first thread of a process runs: the SDK's entry, with the module's main function."""

    def body() -> NoReturn:
        modules["cloudos.sdk.hosted"]._main = main
        modules["cloudos.sdk.start"].start(U64(address), U64(length))
        raise AssertionError("a program came to its end without a system call")

    return body
