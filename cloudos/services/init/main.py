"""init: the first process. It holds all authority, gives each component its part, and supervises them.

Components start in the order of the image. When one ends, its policy decides whether it starts again: after a while
that doubles with each failure, at most so many times. Its endpoint belongs to init, so its clients keep their handles;
a call that it was serving fails with ServiceGone, calls that wait are served by the next process.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.bundle import EntryKind
from cloudos.abi.errors import (
    BadArgument,
    BadHandle,
    BadState,
    Denied,
    NotFound,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
    WrongKind,
)
from cloudos.abi.messages import NEVER as FOREVER
from cloudos.abi.objects import Rights
from cloudos.abi.wiring import RESTARTED
from cloudos.contracts.errors import BadProgram, ServiceError, ServiceGone
from cloudos.contracts.logs import NOTICE, Log
from cloudos.contracts.streams import Stream
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Slice, data, managed, write_text
from cloudos.sdk import print, system, transport
from cloudos.sdk.bundle import bundle
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.sdk.console import stdout
from cloudos.sdk.errors import InvalidNumber
from cloudos.sdk.process import exit
from cloudos.sdk.quotas import usage
from cloudos.sdk.service import CALLER, Later, answer, server
from cloudos.sdk.spawn import end
from cloudos.services.init.boot_log import BOOT_LOG, use_boot_log
from cloudos.services.init.starting import WRITER, make, position_of, prepare, share_out
from cloudos.services.init.wiring import (
    ALWAYS,
    FAILED,
    FIRST_NUMBER,
    MACHINE,
    NEVER,
    RUNNING,
    STOPPED,
    WAITING,
    Component,
    parse,
)

FAULT_SHIFT = 16
SETTLED = 10_000_000_000  # nanoseconds after which a component's earlier failures are forgotten
LONGEST_WAIT = 10_000_000_000  # nanoseconds between two starts at most
LEAST_WAIT = 10_000_000  # nanoseconds after a start that was not possible: init must not be busy with it alone
LINE_TIME = 50_000_000  # nanoseconds: so often a component's starts and ends are told of in the long run,
BURST = 64  # after so many lines at once
MOST_WAITING = 64  # lines for the log service from before it runs
OWN_BADGE = 1  # of init, for the log service
BAD_IMAGE_STATUS = 70  # EX_SOFTWARE of sysexits.h


@managed
class Register:
    """All components, and init's own objects."""

    components: List[Component]
    endpoint: U64
    ends: U64
    # A handle to the log service, 0 while there is none, its place among the components, and lines that wait for it.
    log: U64
    log_place: U64
    waiting: List[Text]


@managed
class Init:
    """What others may ask of init, and what it does when components end."""

    register: Register

    def list(self, position: U64, into: Slice[U8]) -> U64:
        """See `Supervisor`."""
        if may_only_write():
            raise ServiceGone
        components = self.register.components
        line = ByteBuffer()
        used = U64(0)
        for index in U64.range(min(position, components.length), components.length):
            line.clear()
            one = components[index]
            memory, limit = usage(one.quota)
            write_text(line, f"{one.name} ")
            write_state(line, one.state)
            write_text(line, f" {one.starts} {memory} {limit} {one.since}\0")
            if line.length > into.length - used:
                break
            into[used : used + line.length].copy_from(line.content())
            used += line.length
        return used

    def start(self, name: Slice[U8]) -> None:
        """See `Supervisor`."""
        if may_only_write():
            raise Denied
        one = self.named(name)
        if one.state == RUNNING:
            raise BadArgument
        one.failures = U64(0)
        launch(self.register, one)
        # Somebody may wait for its restart, whose end was not told yet: that will not start it again.
        answer_asker(one)

    def stop(self, name: Slice[U8]) -> None:
        """See `Supervisor`."""
        if may_only_write():
            raise Denied
        one = self.named(name)
        if one.state == RUNNING:
            one.state = U64(STOPPED)
            end(one.process)
            report(self.register, one, "stopped")
        one.state = U64(STOPPED)
        answer_asker(one)

    def restart(self, name: Slice[U8]) -> None:
        """See `Supervisor`."""
        if may_only_write():
            raise Denied
        one = self.named(name)
        one.failures = U64(0)
        if one.state == RUNNING:
            # It starts again when its end is told; who asked learns of it then.
            one.state = U64(WAITING)
            one.due = U64(FOREVER)
            end(one.process)
            one.asker = CALLER.later()
            raise Later
        if one.state == WAITING and one.due == FOREVER:
            raise BadArgument
        launch(self.register, one)

    def holds(self, name: Slice[U8], position: U64, into: Slice[U8]) -> U64:
        """See `Supervisor`."""
        if may_only_write():
            raise ServiceGone
        one = self.named(name)
        all = ByteBuffer()
        describe(one, all)
        used, number, start = U64(0), U64(0), U64(0)
        content = all.content()
        for at in U64.range(content.length):
            if content[at] == 0:
                length = at + 1 - start
                if number >= position:
                    if length > into.length - used:
                        break
                    into[used : used + length].copy_from(content[start : at + 1])
                    used += length
                number += 1
                start = at + 1
        return used

    def shut_down(self, restart: bool) -> None:
        """See `Supervisor`."""
        if may_only_write():
            raise Denied
        stop_all(self.register)
        if restart:
            reset()
        exit(U8(0))

    def memory(self) -> tuple[U64, U64]:
        """See `Supervisor`."""
        if may_only_write():
            raise ServiceGone
        used, limit = usage(U64(initial.QUOTA))
        return limit, used

    def hand_over(self, process: U64) -> None:
        """See `Supervisor`."""
        if may_only_write():
            raise Denied
        try:
            system.process_hand_over(process)
        except (BadHandle, WrongKind):
            raise Denied
        # The handle of a call that is refused goes with it.
        transport.close(process)

    def named(self, name: Slice[U8]) -> Component:
        """The component of this name. Raises NotFound."""
        components = self.register.components
        return components[position_of(name, components)]

    def signalled(self, bits: U64) -> None:
        """Some components have ended."""
        components = self.register.components
        for index in U64.range(components.length):
            if bits.bit(index):
                ended(self.register, components[index])

    def deadline(self) -> U64:
        """When the next component is to be started again."""
        soonest = U64(FOREVER)
        for one in self.register.components:
            if one.state == WAITING:
                soonest = min(soonest, one.due)
        return soonest

    def expired(self) -> None:
        """Start what is due."""
        now = system.clock_read()
        for one in self.register.components:
            if one.state == WAITING and one.due <= now:
                launch(self.register, one)


def may_only_write() -> bool:
    """Whether the caller was given init as a stream alone. It is one endpoint, so the badge has to tell."""
    return CALLER.badge & WRITER != 0


serve = server((Supervisor, Init), (Stream, BOOT_LOG))


def write_state(line: ByteBuffer, state: U64) -> None:
    """The word for a state."""
    if state == RUNNING:
        write_text(line, "running")
    elif state == FAILED:
        write_text(line, "failed")
    elif state == WAITING:
        write_text(line, "waiting")
    else:
        write_text(line, "stopped")


def describe(one: Component, out: ByteBuffer) -> None:
    """What a component holds: `name kind rights from`, a zero byte after each."""
    if one.offers:
        write_text(out, "offer endpoint receive init\0")
    if one.offers or one.told_of.length > 0:
        write_text(out, "bell notification wait init\0")
    if one.kept != 0:
        write_text(out, f"state memory {one.state_bytes} init\0")
    for need in one.needs:
        write_text(out, f"{need.name} endpoint {need.use} {need.component}\0")
    for resource in one.resources:
        write_text(out, f"{resource.name} {resource.kind} {resource.first}+{resource.length} machine\0")
    for grant in one.grants:
        write_text(out, f"{grant.name} {grant.kind} all kernel\0")


def report(register: Register, one: Component, what: str) -> None:
    """A line of the boot log: seconds since the machine started, the component, what happened. The log has it too."""
    microseconds = system.clock_read() // 1000
    seconds, fraction = microseconds // 1_000_000, microseconds % 1_000_000
    text = Text(what)
    print(f"[{seconds:>5}.{fraction:06}] {one.name}: {text}")
    record(register, one, Text(f"{one.name}: {text}"))


def report_life(register: Register, one: Component, what: str) -> None:
    """`report` of a start or an end. Of a component that has very many, lines are left out, and their number told."""
    now = system.clock_read()
    due = max(one.told, now)
    if due - now > LINE_TIME * BURST:
        one.untold += 1
        return
    one.told = due + LINE_TIME
    text = Text(what)
    if one.untold == 0:
        report(register, one, f"{text}")
    else:
        report(register, one, f"{text} ({one.untold} lines left out before this one, {one.starts} starts so far)")
        one.untold = U64(0)


def record(register: Register, one: Component, text: Text) -> None:
    """Let the log service keep a line. Lines from before it runs wait; while it is down itself they are only shown."""
    if register.log == 0:
        if register.waiting.length < MOST_WAITING:
            register.waiting.append(text)
        return
    if register.components[register.log_place].state == RUNNING and one.number != register.log_place + FIRST_NUMBER:
        write_record(register.log, text)


def write_record(log: U64, text: Text) -> None:
    """One record. A log service that hangs costs init no more than the patience of the contract."""
    try:
        Log(log).note(U64(NOTICE), text.content)
    except ServiceError:
        pass


def find_log(register: Register) -> None:
    """Once all components have started: who is the log, and what it has not been told yet."""
    try:
        place = position_of(data(b"log"), register.components)
        rights = U64(Rights.SEND | Rights.INSPECT)
        register.log = system.handle_derive(register.components[place].endpoint, rights, U64(OWN_BADGE))
        register.log_place = place
    except (NotFound, BadArgument, BadHandle, Denied, QuotaExceeded, OutOfMemory, TooManyHandles, PeerGone):
        return
    for text in register.waiting:
        write_record(register.log, text)
    register.waiting.clear()


def launch(register: Register, one: Component) -> None:
    """Start a component; when that fails it counts as a failure of the component."""
    try:
        if one.executable is None:
            prepare(one)
        if one.process != 0:
            # It was stopped, and its end was not told yet.
            transport.close(one.process)
            one.process = U64(0)
        one.process = make(one, register.components, register.endpoint)
        bits = U64(1) << U64(one.number - 2)
        system.process_bind(one.process, register.ends, bits)
        one.state = U64(RUNNING)
        one.starts += 1
        one.since = system.clock_read()
        report_life(register, one, "started")
        if one.starts > 1:
            tell_dependants(register, one)
    except (QuotaExceeded, NotFound, BadProgram, BadArgument, BadState, BadHandle, WrongKind, Denied, PeerGone):
        report_life(register, one, "cannot be started")
        fail(register, one, U64(LEAST_WAIT))


def tell_dependants(register: Register, one: Component) -> None:
    """Signal those that want to know that a component was started again."""
    for other in register.components:
        if other.state == RUNNING and other.is_told_of(one.name):
            try:
                system.notification_signal(other.bell, U64(RESTARTED))
            except (BadHandle, WrongKind, Denied, PeerGone):
                pass


def ended(register: Register, one: Component) -> None:
    """A component's process is gone: start it again, or not."""
    try:
        result = system.process_inspect(one.process)
    except (BadHandle, WrongKind, Denied, PeerGone):
        return
    if result == 0:
        return
    transport.close(one.process)
    one.process = U64(0)
    status = U8(result & 0xFF)
    if one.state == STOPPED:
        return
    if one.state == WAITING:
        launch(register, one)
        answer_asker(one)
        return
    if result >> FAULT_SHIFT != 0:
        report_life(register, one, f"ended by fault {result >> FAULT_SHIFT & 0xFF}")
    else:
        report_life(register, one, f"ended with status {status}")
    if one.policy == MACHINE:
        one.state = U64(STOPPED)
        stop_all(register)
        exit(status)
    if one.policy == NEVER or (one.policy != ALWAYS and status == 0):
        one.state = U64(STOPPED)
        return
    fail(register, one, U64(0))


def answer_asker(one: Component) -> None:
    """Tell who waits for a component's next start."""
    if one.asker != 0:
        answer(one.asker, U64(0))
        one.asker = U64(0)


def fail(register: Register, one: Component, least: U64) -> None:
    """One failure more: wait, twice as long as the last time and `least` nanoseconds at least, or give up.

    The start itself is for `expired`: one that fails and has no backoff must not start again from within itself.
    """
    now = system.clock_read()
    if one.since != 0 and now - one.since > SETTLED:
        one.failures = U64(0)
    if one.policy == NEVER or (one.limit != 0 and one.failures >= one.limit):
        one.state = U64(FAILED)
        report(register, one, "has failed and is not started again")
        return
    pause = one.backoff
    for _ in U64.range(min(one.failures, U64(20))):
        pause = min(pause * 2, U64(LONGEST_WAIT))
    one.failures += 1
    one.state = U64(WAITING)
    one.due = now + max(pause, least)


def stop_all(register: Register) -> None:
    """Stop all components, the last one first."""
    components = register.components
    for index in U64.range(components.length):
        one = components[components.length - 1 - index]
        if one.state == RUNNING:
            one.state = U64(STOPPED)
            end(one.process)
            report(register, one, "stopped")


def reset() -> None:
    """Start the machine again. Returns when that is not in init's power any more: it has handed its place over."""
    stdout.flush()
    try:
        system.device_reset(U64(initial.DEVICE))
    except (BadArgument, BadHandle, Denied, PeerGone, WrongKind):
        pass


def main() -> U8:
    """Start all components, then supervise them for ever. Returns only when the image cannot be used."""
    use_boot_log()
    number = bundle.find(EntryKind.WIRING, bundle.content[0:0])
    if number is None:
        print("init: the image has no wiring")
        return U8(BAD_IMAGE_STATUS)
    try:
        components = parse(Text.from_bytes(bundle.data(bundle.entry(number))))
    except InvalidNumber:
        print("init: the wiring of the image is not of this version")
        return U8(BAD_IMAGE_STATUS)
    try:
        transport.attach()
        quota, none = U64(initial.QUOTA), U64(0)
        register = Register(
            components, system.endpoint_create(quota), system.notification_create(quota), none, none, List[Text]()
        )
        system.thread_bind(register.ends)
    except (
        BadArgument,
        BadState,
        QuotaExceeded,
        OutOfMemory,
        TooManyHandles,
        PeerGone,
        BadHandle,
        WrongKind,
        Denied,
    ):
        print("init: there is not enough memory")
        return U8(BAD_IMAGE_STATUS)
    share_out(components)
    # Endpoints of all come first: who needs another's is given it also when that starts later.
    for one in components:
        prepare_or_report(register, one)
    for one in components:
        launch(register, one)
    find_log(register)
    serve(register.endpoint, Init(register))
    return U8(0)


def prepare_or_report(register: Register, one: Component) -> None:
    """Make what lasts; a component for which that fails cannot be started."""
    try:
        prepare(one)
    except (QuotaExceeded, NotFound, BadProgram):
        report(register, one, "its memory, its program or its devices are not to be had")
