"""What init lets others see and do: the components, what they hold, their start and stop, the machine's end."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied, NotFound, PeerGone
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation


@contract(number=7, version=1)
class Supervisor:
    """A session of init."""

    handle: U64

    @operation(1, raises=(ServiceGone,), fills="into")
    def list(self, position: U64, into: Slice[U8]) -> U64:
        """Components from number `position` on, a zero byte after each; how many bytes, 0 at the end.

        Each is `name state starts memory limit since`: state is running, stopped, failed or waiting; how often it was
        started, bytes of memory used and allowed, nanoseconds since the machine started at its last start.
        """
        raise NotImplementedError

    @operation(2, raises=(NotFound, BadArgument, Denied, ServiceGone))
    def start(self, name: Slice[U8]) -> None:
        """Start a stopped or failed component."""
        raise NotImplementedError

    @operation(3, raises=(NotFound, BadArgument, Denied, ServiceGone))
    def stop(self, name: Slice[U8]) -> None:
        """Stop a component, and do not start it again."""
        raise NotImplementedError

    @operation(4, raises=(NotFound, BadArgument, Denied, ServiceGone))
    def restart(self, name: Slice[U8]) -> None:
        """Stop a component and start it again."""
        raise NotImplementedError

    @operation(5, raises=(NotFound, ServiceGone), fills="into")
    def holds(self, name: Slice[U8], position: U64, into: Slice[U8]) -> U64:
        """What a component holds, from number `position` on: each `name kind rights from`, a zero byte after it."""
        raise NotImplementedError

    @operation(6, raises=(Denied, ServiceGone))
    def shut_down(self, restart: bool) -> None:
        """Stop all components in order, and then the machine; with `restart` it starts again from its beginning."""
        raise NotImplementedError

    @operation(7, raises=(ServiceGone,))
    def memory(self) -> tuple[U64, U64]:
        """Bytes of memory that init has to distribute, and how many are taken: used, or promised to components."""
        raise NotImplementedError

    @operation(8, raises=(Denied, PeerGone, ServiceGone), moves=("process",))
    def hand_over(self, process: U64) -> None:
        """Make a process the one that the machine was started for: see the system call process_hand_over."""
        raise NotImplementedError
