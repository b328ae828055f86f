"""Runs rows on the simulated machine: the same functions, under CPython, against the same kernel.

To the machine a thread is a generator that yields system calls; a row is a plain function that makes them. So each
thread's function runs in a thread of the host's, which stands still whenever its generator does: exactly one of them
runs at any time. Messages, handles and numbers go through; what a row reads or writes in memory that the kernel knows
by address cannot, and such rows are left out (`table.is_simulated`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, cast

import pytest

from cloudos.abi import layout
from cloudos.abi.errors import numbered
from cloudos.lang import U64, Ptr, UserPtr, VirtAddr
from cloudos.lang.machine import function_at
from cloudos.sdk import ipc, models, system, threads
from cloudos.sdk.ipc import Message
from tests.conformance.support import BOARD, PROCESS, SCHEDULE, settle
from tests.conformance.table import Row, load
from tests.sim.harness import run as run_machine
from tests.sim.world import user

ERRORS = {code: error for code, error in numbered()}
PACE = (20, 200, 0.0)
"""User code of no surprises: rows count on others to go on within a millisecond."""


class Abandoned(BaseException):
    """The machine is off: the function will not get another reply."""


class Carrier:
    """A function in a thread of the host's, as the generator that the machine wants."""

    local = threading.local()

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.calls: SimpleQueue[user.Call | BaseException | None] = SimpleQueue()
        self.replies: SimpleQueue[user.Reply | None] = SimpleQueue()

    def code(self) -> user.UserCode:
        """Run the function; its assertion errors pass through."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            while (request := self.calls.get()) is not None:
                if isinstance(request, BaseException):
                    raise request
                self.replies.put((yield request))
        finally:
            self.replies.put(None)
            thread.join(5)
        return None

    def _run(self) -> None:
        Carrier.local.current = self
        try:
            self.work()
            self.calls.put(None)
        except Abandoned:
            pass
        except BaseException as error:
            self.calls.put(error)

    @staticmethod
    def make(request: user.Call) -> user.Reply:
        """A system call of the function that runs."""
        carrier: Carrier = Carrier.local.current
        carrier.calls.put(request)
        reply = carrier.replies.get()
        if reply is None:
            raise Abandoned
        return reply


class Calls:
    """Answers the SDK's system calls by making them on the machine. See `cloudos.sdk.models`."""

    def __getattr__(self, name: str) -> Callable[..., U64]:
        def make(*arguments: Any) -> U64:
            values = [int(item.address) if isinstance(item, UserPtr) else int(item) for item in arguments]
            reply = Carrier.make(user.call(name, *values))
            if reply.error != 0:
                raise ERRORS[reply.error]
            return U64(reply.value)

        return make


def enter(address: VirtAddr, number: U64, handle: U64) -> U64:
    """In place of `cloudos.sdk.ipc.enter`."""
    message = Ptr.at(Message, address).value
    words = [int(message.words[index]) for index in range(8)]
    arguments = (int(handle), int(message.tag), *words[:4])
    reply = Carrier.make(user.Call(int(number), arguments, tuple(words[4:]), int(message.reply)))
    if reply.error == 0:
        message.tag, message.badge, message.reply = U64(reply.tag), U64(reply.badge), U64(reply.reply)
        for index, word in enumerate(reply.words):
            message.words[index] = U64(word)
    return U64(reply.error)


@contextmanager
def connected(started: list[tuple[Callable[[U64], None], U64]]) -> Iterator[None]:
    """The SDK makes its calls on the machine; threads that it starts are put on the list."""

    def start(function: VirtAddr, argument: U64) -> U64:
        started.append((function_at(function), argument))
        stack = U64(layout.STACK_TOP - layout.PAGE_SIZE)
        entry = U64(user.entry_of(1))
        thread = system.thread_create(PROCESS, SCHEDULE, entry, stack, U64(len(started) - 1))
        system.thread_start(thread)
        return thread

    before = models._current
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "start", start)
        patch.setattr(ipc, "enter", enter)
        for generated in (ipc._call, ipc._send, ipc._receive, ipc._reply, ipc._reply_receive):
            patch.setitem(generated.__globals__, "enter", enter)
        models.install(cast(models.SystemModel, Calls()))
        try:
            yield
        finally:
            models._current = before


def run(rows: list[Row], seed: int) -> None:
    """Run rows of one file in one machine, which ends with the check that no memory is lost. Raises AssertionError."""
    started: list[tuple[Callable[[U64], None], U64]] = []
    module = load(rows[0].module)

    def all_rows() -> None:
        for row in rows:
            settle()
            BOARD.clear()
            try:
                getattr(module, row.name)()
            except AssertionError as error:
                raise AssertionError(f"{row.name}: {error}") from error

    def main(bundle: int, length: int) -> user.UserCode:
        yield from Carrier(all_rows).code()
        return 0

    def thread(index: int, _: int) -> user.UserCode:
        function, argument = started[index]
        return (yield from Carrier(lambda: function(argument)).code())

    with connected(started):
        assert run_machine(main, thread, seed=seed, pace=PACE, memory=16 << 20).record("exit") == "status=0"
