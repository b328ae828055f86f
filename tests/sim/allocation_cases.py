"""One case for each system call: how to make it so that it succeeds, or waits, in a world with two processes.

`CASES` has each call of the abi; `MORE` has further ways in which a call may need memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cloudos.abi import devices, initial, objects, tags
from cloudos.abi.objects import Rights
from tests.sim import programs
from tests.sim.inventory import Inventory
from tests.sim.stage import Actor, Stage
from tests.sim.world import user

call, message = user.call, user.message
PAGE = 4096
FRESH = 0x7000_0000
Q = initial.QUOTA


@dataclass
class Setting:
    """A machine with `actor` of the first process, who makes the call, and `peer` of another, who has a buffer."""

    stage: Stage
    actor: Actor
    child: int
    peer: Actor
    handles: dict[str, int] = field(default_factory=dict)
    # The same objects as the peer knows them.
    theirs: dict[str, int] = field(default_factory=dict)
    window: int = 0x7100_0000_0000

    def make(self, name: str) -> int:
        """An endpoint, a notification; known to the peer too."""
        handle = self.stage.succeed(f"{name}_create", Q)
        self.handles[name] = handle
        self.theirs[name] = self.stage.main(programs.install(self.child, handle))
        return handle

    def object(self, size: int, pages: int) -> int:
        """A memory object, mapped at `window`, of which some pages were written."""
        self.window += 1 << 24
        handle = self.stage.succeed("memory_create", Q, size, objects.MEMORY_ON_DEMAND)
        self.stage.succeed("space_map", initial.SPACE, handle, self.window, 0, size, 3)
        for page in range(pages):
            self.stage.do(self.actor, user.Write(self.window + page * PAGE, b"written"))
        return handle

    def fill_table(self, process: int) -> None:
        """Leave no free slot in the table of a process of this machine (0: the first)."""
        found = Inventory(self.stage.simulation)
        home = found.objects[self.stage.thread(self.actor if process == 0 else self.peer)["process"]]
        self.stage.main(self._fill(self.child if process else initial.PROCESS, home["table.available"]))

    def _fill(self, process: int, count: int) -> programs.Steps:
        for _ in range(count):
            yield from programs.install(process, self.handles["endpoint"])
        return 0

    def peer_waits(self) -> None:
        """The peer receives."""
        assert self.stage.do(self.peer, message("message_receive", self.theirs["endpoint"])) is None

    def peer_calls(self) -> None:
        """The peer's call waits to be received."""
        assert self.stage.do(self.peer, message("message_call", self.theirs["endpoint"])) is None

    def receive(self) -> int:
        """Receive the peer's call; the handle to reply by."""
        self.peer_calls()
        reply: user.Reply = self.stage.do(self.actor, message("message_receive", self.handles["endpoint"]))
        return reply.reply

    def put_handles(self, actor: Actor, *handles: int) -> int:
        """Write handles into an actor's buffer; the tag that sends them."""
        data = b"".join(handle.to_bytes(8, "little") for handle in handles)
        self.stage.do(actor, user.Write(actor.buffer + 8, data))
        return len(handles) << tags.HANDLES_SHIFT


Case = Callable[[Setting], user.Call]


def new_setting() -> Setting:
    """A fresh machine."""
    stage = Stage(memory=8 << 20)
    actor = stage.actor(buffer=True)
    child = stage.process()
    setting = Setting(stage, actor, child, stage.actor(child, buffer=True))
    for name in ("endpoint", "notification"):
        setting.make(name)
    # What calls copy to and from is there, and the object behind memory_map, which stays from its first call on.
    assert not stage.do(actor, call("memory_map", PAGE)).error
    stage.do(actor, user.Write(user.SCRATCH, bytes(PAGE)))
    setting.handles["schedule"] = stage.main(programs.new_schedule(100))
    return setting


def stopped_thread(setting: Setting) -> int:
    """A thread of the child's that was not started."""
    thread: int = setting.stage.main(programs.new_thread(1, 99, setting.child))
    return thread


def mapped(setting: Setting) -> int:
    """Three pages."""
    reply: user.Reply = setting.stage.do(setting.actor, call("memory_map", 3 * PAGE))
    return reply.value


def plain(name: str, *arguments: int) -> Case:
    """A call that needs nothing else."""
    return lambda setting: call(name, *arguments)


def on(name: str, *arguments: int | str | Callable[[Setting], int]) -> Case:
    """A call whose arguments are numbers, names of handles, or made for it."""

    def make(setting: Setting) -> user.Call:
        found = []
        for argument in arguments:
            if isinstance(argument, str):
                found.append(setting.handles[argument])
            else:
                found.append(argument if isinstance(argument, int) else argument(setting))
        return call(name, *found)

    return make


def child(setting: Setting) -> int:
    return setting.child


def peer(setting: Setting) -> int:
    return setting.peer.handle


def reply(setting: Setting) -> int:
    return setting.receive()


def derived(setting: Setting) -> int:
    """A handle from which others were derived."""
    handle = setting.stage.succeed("handle_derive", setting.handles["endpoint"], int(Rights.DERIVE | Rights.REVOKE), 0)
    setting.stage.succeed("handle_derive", handle, int(Rights.DERIVE), 0)
    return handle


def suspended(setting: Setting) -> int:
    """A thread of the child's that stands still."""
    setting.stage.succeed("thread_suspend", setting.peer.handle)
    return setting.peer.handle


def touched(setting: Setting) -> int:
    """A memory object with three pages that were written, mapped at WINDOW; not the first one that is made."""
    return setting.object(3 * PAGE, 3)


def shown(setting: Setting) -> int:
    """The middle of a mapping of six pages: what is done there splits it."""
    setting.object(6 * PAGE, 2)
    return setting.window + PAGE


def paged(setting: Setting) -> int:
    """An object whose pages somebody else supplies."""
    return setting.stage.succeed("memory_create_paged", Q, setting.handles["endpoint"], 8 * PAGE)


def ports(setting: Setting) -> int:
    return setting.stage.succeed("device_create", initial.DEVICE, Q, devices.PORTS, 0x500, 4)


def addresses(setting: Setting) -> int:
    return setting.stage.succeed("device_create", initial.DEVICE, Q, devices.MEMORY, 1 << 40, 2 * PAGE)


def line(setting: Setting) -> int:
    return setting.stage.succeed("interrupt_create", initial.DEVICE, Q, 9, 0)


def bound_line(setting: Setting) -> int:
    handle = line(setting)
    setting.stage.succeed("interrupt_bind", handle, setting.handles["notification"], 1)
    return handle


def replying(setting: Setting) -> user.Call:
    handle = setting.receive()
    return message("message_reply_receive", setting.handles["endpoint"], reply=handle)


def without_buffer(setting: Setting) -> user.Call:
    setting.actor = setting.stage.actor()
    return call("thread_set_buffer", FRESH)


CASES: dict[str, Case] = {
    "system_null": plain("system_null"),
    "process_exit": plain("process_exit", 3),
    "device_reset": plain("device_reset", initial.DEVICE),
    "process_panic": plain("process_panic", 1, user.SCRATCH, 4),
    "console_write": plain("console_write", 1, user.SCRATCH, 4),
    "console_read": plain("console_read", user.SCRATCH, 4),
    "memory_map": plain("memory_map", 9 * PAGE),
    "memory_unmap": on("memory_unmap", mapped, 2 * PAGE),
    "clock_read": plain("clock_read"),
    "thread_sleep": plain("thread_sleep", 1000),
    "thread_yield": plain("thread_yield"),
    "thread_exit": plain("thread_exit"),
    "thread_create": on("thread_create", child, "schedule", user.entry_of(1), programs.STACK, 9),
    "thread_start": on("thread_start", suspended),
    "thread_suspend": on("thread_suspend", peer),
    "thread_kill": on("thread_kill", peer),
    "thread_read_registers": on("thread_read_registers", suspended, user.SCRATCH),
    "thread_write_registers": on("thread_write_registers", suspended, user.SCRATCH),
    "thread_set_buffer": without_buffer,
    "thread_bind": on("thread_bind", "notification"),
    "process_create": plain("process_create", Q, 0),
    "process_space": on("process_space", child),
    "process_install": on("process_install", child, "endpoint", 0, 0),
    "process_kill": on("process_kill", child),
    "process_inspect": on("process_inspect", child),
    "process_set_fault_endpoint": on("process_set_fault_endpoint", child, "endpoint"),
    "endpoint_create": plain("endpoint_create", Q),
    "message_call": on("message_call", "endpoint", 0),
    "message_send": on("message_send", "endpoint", 0),
    "message_receive": on("message_receive", "endpoint", 0),
    "message_reply": on("message_reply", reply, 0),
    "message_reply_receive": replying,
    "notification_create": plain("notification_create", Q),
    "notification_signal": on("notification_signal", "notification", 5),
    "notification_wait": on("notification_wait", "notification", (1 << 64) - 1),
    "schedule_create": plain("schedule_create", Q, 1, 1_000_000, 1_000_000),
    "schedule_change": on("schedule_change", "schedule", 1, 1_000_000, 1_000_000),
    "schedule_place": on("schedule_place", "schedule", 0, 1),
    "handle_derive": on("handle_derive", "endpoint", 1, 0),
    "handle_close": on("handle_close", "endpoint"),
    "handle_revoke": on("handle_revoke", derived),
    "handle_inspect": on("handle_inspect", "endpoint"),
    "quota_create": plain("quota_create", Q, 1 << 16),
    "quota_inspect": plain("quota_inspect", Q, user.SCRATCH),
    "policy_load": plain("policy_load", initial.POLICY, user.SCRATCH, 4),
    "policy_seal": plain("policy_seal", initial.POLICY),
    "audit_read": plain("audit_read", initial.AUDIT, user.SCRATCH, 480),
    "memory_create": plain("memory_create", Q, 5 * PAGE, objects.MEMORY_ON_DEMAND),
    "memory_create_paged": on("memory_create_paged", Q, "endpoint", 5 * PAGE),
    "memory_clone": on("memory_clone", touched, Q, 0),
    "memory_supply": on("memory_supply", paged, touched, 0, 0, 3 * PAGE),
    "memory_discard": on("memory_discard", touched, PAGE, 2 * PAGE),
    "memory_inspect": on("memory_inspect", touched, user.SCRATCH),
    "process_bind": on("process_bind", child, "notification", 1),
    "device_create": plain("device_create", initial.DEVICE, Q, devices.PORTS, 0x500, 4),
    "device_read": on("device_read", ports, 0, 1),
    "device_write": on("device_write", ports, 0, 1, 7),
    "device_memory": on("device_memory", addresses, Q),
    "interrupt_create": plain("interrupt_create", initial.DEVICE, Q, 9, 0),
    "interrupt_bind": on("interrupt_bind", line, "notification", 1),
    "interrupt_acknowledge": on("interrupt_acknowledge", bound_line),
    "process_hand_over": plain("process_hand_over", initial.PROCESS),
    "space_map": on("space_map", initial.SPACE, touched, FRESH, PAGE, 2 * PAGE, 3),
    "space_unmap": on("space_unmap", initial.SPACE, shown, 4 * PAGE),
    "space_protect": on("space_protect", initial.SPACE, shown, 4 * PAGE, 1),
}


def empty(setting: Setting) -> int:
    return setting.stage.succeed("memory_create", Q, 8 * PAGE, objects.MEMORY_ON_DEMAND)


def discarding_shared(setting: Setting) -> user.Call:
    memory = setting.object(3 * PAGE, 3)
    setting.stage.succeed("memory_clone", memory, Q, 0)
    return call("memory_discard", memory, PAGE, PAGE)


def large_map(setting: Setting) -> user.Call:
    return call("memory_map", (2 << 20) + 2 * PAGE)


def with_full_table(name: str) -> Case:
    """The caller's table has no free slot."""

    def make(setting: Setting) -> user.Call:
        setting.fill_table(0)
        return CASES[name](setting)

    return make


def installing(setting: Setting) -> user.Call:
    setting.fill_table(1)
    return CASES["process_install"](setting)


def sending_handles(name: str) -> Case:
    """The receiver's table has no free slot."""

    def make(setting: Setting) -> user.Call:
        setting.peer_waits()
        setting.fill_table(1)
        tag = setting.put_handles(setting.actor, setting.handles["endpoint"], setting.handles["notification"])
        return message(name, setting.handles["endpoint"], tag)

    return make


def receiving_handles(setting: Setting) -> user.Call:
    """The sender waits; the receiver, whose table has no free slot, is the caller."""
    tag = setting.put_handles(setting.peer, setting.theirs["notification"])
    assert setting.stage.do(setting.peer, message("message_send", setting.theirs["endpoint"], tag)) is None
    # A reply handle has its slot before the message comes.
    setting.stage.do(setting.actor, message("message_receive", setting.handles["notification"]))
    setting.fill_table(0)
    return message("message_receive", setting.handles["endpoint"])


def replying_handles(setting: Setting) -> user.Call:
    handle = setting.receive()
    setting.fill_table(1)
    tag = setting.put_handles(setting.actor, setting.handles["notification"])
    return message("message_reply", handle, tag)


def creating(names: Iterator[str] | list[str]) -> dict[str, Case]:
    return {f"{name} with a full table": with_full_table(name) for name in names}


MORE: dict[str, Case] = {
    "memory_map of large pages": large_map,
    "memory_create of paid memory": plain("memory_create", Q, 5 * PAGE, objects.MEMORY_PAID),
    "memory_create of contiguous memory": plain("memory_create", Q, 5 * PAGE, objects.MEMORY_CONTIGUOUS),
    "memory_supply of absent pages": on("memory_supply", paged, empty, 0, 0, 3 * PAGE),
    "memory_discard of shared pages": discarding_shared,
    "process_install into a full table": installing,
    "message_send of handles": sending_handles("message_send"),
    "message_call with handles": sending_handles("message_call"),
    "message_receive of handles": receiving_handles,
    "message_reply with handles": replying_handles,
    "message_receive with a full table": with_full_table("message_receive"),
    **creating([name for name in CASES if name.endswith("_create") or name == "handle_derive"]),
}
