"""The processors of a simulated machine, of which one at a time executes.

Each processor is a thread of the host, because it may stop in the middle of the kernel: asleep, or waiting for another.
The board chooses, from its seed, who goes on, and hands over: no two ever run at the same time, and a seed fixes all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from cloudos.kernel.hal.simulated.board import Board, Processor


class Ended(BaseException):
    """The machine is off: a processor that waits for its turn goes no further."""


class Turns:
    """Hands the turn from processor to processor. The first one is the thread that makes this."""

    def __init__(self, board: Board, begin: Callable[[Processor], None]) -> None:
        self.board = board
        self.begin = begin
        self.events = [threading.Event() for _ in board.processors]
        self.threads: list[threading.Thread] = []
        self.failure: BaseException | None = None
        self.over = False
        board.switch = self.switch
        board.start_processor = self.start

    def start(self, number: int) -> None:
        """A processor begins to execute when it is chosen."""
        processor = self.board.processors[number]
        processor.started = True
        thread = threading.Thread(target=self._run, args=(processor,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def switch(self, chosen: Processor) -> None:
        """Let another processor go on; returns when it is this one's turn again. Raises what ended the machine."""
        own = self.board.processor
        self._hand_to(chosen)
        self._wait(own)

    def _hand_to(self, chosen: Processor) -> None:
        self.board.processor = chosen
        self.events[chosen.number].set()

    def _wait(self, own: Processor) -> None:
        event = self.events[own.number]
        event.wait()
        event.clear()
        if self.over:
            raise Ended
        if self.failure is not None and own.number == 0:
            raise self.failure

    def _run(self, processor: Processor) -> None:
        with suppress(Ended):
            self._wait(processor)
            try:
                self.begin(processor)
            except Ended:
                raise
            except BaseException as failure:
                self.failure = failure
                self._hand_to(self.board.processors[0])

    def end(self) -> None:
        """No processor goes on: all threads end."""
        self.over = True
        for thread, event in zip(self.threads, self.events[1:], strict=False):
            event.set()
            thread.join()
