"""What happens in a run, decided by its seed before it begins: what clients do, and what goes wrong.

A plan is plain data, so that a failing one can be made smaller by leaving things out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

CLIENTS = 3
NAMES = 4
FILES = 3
LARGEST = 9_000
# The client whose session of the console is shown, and typed to.
TYPIST = 1

# What clients use, and what may be killed, held up and restarted.
SERVICES = (
    "log", "audit", "policy", "names", "files", "pipes", "loader", "entropy", "console", "serial16550", "rtc"
)  # fmt: skip
FAULTS = ("kill", "restart", "memory", "delay", "clock", "interrupt", "order")
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Operation:
    """Something that a client does; `name` is a function of `client.operations`."""

    client: int
    name: str
    arguments: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"client{self.client} {self.name}({', '.join(map(short, self.arguments))})"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at a step, or soon after it. `target`: a component; `amount`: how much or how late."""

    step: int
    kind: str
    target: str = ""
    amount: int = 0

    def __str__(self) -> str:
        return " ".join(word for word in (self.kind, self.target, str(self.amount or "")) if word)


@dataclass(frozen=True)
class Plan:
    """A whole run. `pace`: how fast user code is, as the machine has it; `every`: interrupts at every other step;
    `boots`: it begins with the boot.
    """

    seed: int
    steps: int
    operations: tuple[Operation, ...]
    faults: tuple[Fault, ...]
    pace: tuple[int, int, float] = (20, 2_000, 0.0)
    every: bool = False
    boots: bool = False


def short(value: object) -> str:
    """A value in a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}… {len(text)} characters"


def plan(seed: int, steps: int, faults: Sequence[str] = FAULTS, boots: bool = False) -> Plan:
    """The plan of a seed."""
    draw = Random(f"plan {seed}")
    chosen = [kind for kind in faults if draw.random() < 0.6]
    operations = [
        operation for client in range(1, CLIENTS + 1) for operation in _operations(draw, client, steps, chosen)
    ]
    found: list[Fault] = []
    for kind in chosen:
        if kind in EVENTS:
            for _ in range(draw.randint(1, max(1, steps // RARITY[kind]))):
                found.append(EVENTS[kind](draw, draw.randrange(steps)))
    pace = draw.choice([(20, 2_000, 0.0), (20, 200, 0.0), (2_000, 40_000, 0.0), (20, 2_000, 0.002)])
    every = "interrupt" in chosen and draw.random() < 0.2
    return Plan(seed, steps, tuple(operations), tuple(sorted(found, key=lambda fault: fault.step)), pace, every, boots)


def first_operations(client: int) -> list[Operation]:
    """One of each kind."""
    path, name = b"/tmp/client%d-0" % client, b"client%d-0" % client
    content: list[tuple[str, tuple[Any, ...]]] = [
        ("publish", (name, 1)), ("look_up", (name,)), ("withdraw", (name,)),
        ("write_file", (path, b"first", False)), ("read_file", (path,)), ("remove_file", (path,)),
        ("pass_through_pipe", (b"first",)),
        ("write_record", (b"client%d record 0" % client,)), ("read_records", ()), ("verify_audit", ()),
        ("read_audit", (0,)), ("random_bytes", (8,)), ("read_policy", ()), ("list_components", ()),
        ("read_clock", ()), ("write_terminal", (b"first\n",)), ("read_terminal", (b"first",)),
        ("use_closed_handle", (1,)), ("revoke_children", (2,)), ("remap_memory", (1, b"first")),
        ("make_directory", (path,)), ("remove_directory", (path,)), ("pipeline", ((b"print", b"1", b"first"),)),
        ("program_output", ((b"print", b"1", b"first"),)), ("kill_program", ((b"sleep", b"100000"),)),
    ]  # fmt: skip
    return [Operation(client, *one) for one in content]


def _component(draw: Random) -> str:
    return draw.choice([*SERVICES, *SERVICES, *(f"client{number}" for number in range(1, CLIENTS + 1))])


EVENTS: dict[str, Callable[[Random, int], Fault]] = {
    "kill": lambda draw, step: Fault(step, "kill", _component(draw), draw.randrange(12)),
    "memory": lambda draw, step: Fault(step, "memory", "", draw.choice([1, 1, 1, 2, 3, 5, 10])),
    "delay": lambda draw, step: Fault(
        step, "delay", draw.choice(SERVICES), draw.choice([100_000, 900_000, 1_000_000, 1_100_000, 5_000_000, SECOND])
    ),
    "clock": lambda draw, step: Fault(
        step, "clock", "", draw.choice([1_000, 1_000_000, 50_000_000, SECOND, 20 * SECOND])
    ),
    "interrupt": lambda draw, step: Fault(step, "interrupt", draw.choice(["timer", "timer", "console", "channel"])),
    "order": lambda draw, step: Fault(step, "order"),
}
RARITY = {"kill": 250, "memory": 60, "delay": 150, "clock": 200, "interrupt": 10, "order": 6}


def _operations(draw: Random, client: int, steps: int, faults: Sequence[str]) -> list[Operation]:
    """More than the steps are enough for. A client does a few kinds of things, so that these meet each other."""
    kinds = draw.sample(sorted(KINDS), draw.randint(2, 4))
    if "restart" in faults and draw.random() < 0.3:
        kinds.append("restart")
    return [Operation(client, *_operation(draw, client, draw.choice(kinds))) for _ in range(steps // 8)]


def _operation(draw: Random, client: int, kind: str) -> tuple[str, tuple[Any, ...]]:
    if kind == "restart":
        return ("restart_component", (draw.choice(SERVICES).encode(),)) if draw.random() < 0.1 else ("sleep", (1_000,))
    return KINDS[kind](draw, client)


def _names(draw: Random, client: int) -> tuple[str, tuple[Any, ...]]:
    own = b"client%d-%d" % (client, draw.randrange(NAMES))
    which = draw.randrange(6)
    if which == 0:
        other = b"client%d-%d" % (draw.randint(1, CLIENTS), draw.randrange(NAMES))
        return "look_up", (other,)
    if which < 3:
        return "publish", (own, draw.randrange(1, 1_000))
    if which == 3:
        return "withdraw", (own,)
    return ("contract_of", (own,)) if which == 4 or draw.random() < 0.7 else ("list_names", ())


def _files(draw: Random, client: int) -> tuple[str, tuple[Any, ...]]:
    def path() -> bytes:
        return b"/tmp/client%d-%d" % (client, draw.randrange(FILES))

    which = draw.randrange(10)
    if which < 3:
        content = draw.randbytes(draw.choice([0, 1, 10, 100, 3_999, 4_000, 4_033, LARGEST]))
        return "write_file", (path(), content, draw.random() < 0.4)
    if which < 6:
        return "read_file", (path(),)
    if which == 6:
        return "patch_file", (path(), draw.choice([0, 5, 4_000]), draw.randbytes(draw.choice([1, 200])))
    if which == 7:
        folder = b"/tmp/client%d-folder" % client
        names = ["make_directory", "remove_directory"]
        return (
            (draw.choice(names), (folder,)) if draw.random() < 0.5 else ("truncate_file", (path(), draw.randrange(50)))
        )
    if which < 9:
        return draw.choice([("file_length", (path(),)), ("remove_file", (path(),)), ("rename_file", (path(), path()))])
    return "list_files", (b"/tmp",)


def _pipes(draw: Random, client: int) -> tuple[str, tuple[Any, ...]]:
    return "pass_through_pipe", (draw.randbytes(draw.choice([0, 1, 100, 4_000, 4_001, 8_000])),)


def _records(draw: Random, client: int) -> tuple[str, tuple[Any, ...]]:
    which = draw.randrange(8)
    if which < 5:
        text = b"client%d record %d" % (client, draw.getrandbits(48))
        return ("write_record" if which < 4 else "note_record"), (text,)
    return "read_records", ()


def _others(draw: Random, client: int) -> tuple[str, tuple[Any, ...]]:
    return draw.choice(
        [
            ("verify_audit", ()),
            ("read_audit", (draw.randrange(50),)),
            ("random_bytes", (draw.choice([1, 32, 4_032]),)),
            ("read_policy", ()),
            ("list_components", ()),
            ("read_clock", ()),
            ("sleep", (draw.choice([1_000, 1_000_000, 100_000_000]),)),
        ]
    )


def _terminal(draw: Random, client: int) -> tuple[str, tuple[Any, ...]]:
    text = b"typed %d" % draw.getrandbits(40)
    if client == TYPIST and draw.random() < 0.5:
        return "read_terminal", (text,)
    return ("write_terminal", (text + b"\n",)) if client == TYPIST else ("read_clock", ())


def _kernel(draw: Random, client: int) -> tuple[str, tuple[Any, ...]]:
    which = draw.randrange(3)
    if which == 0:
        return "use_closed_handle", (draw.randint(1, 3),)
    if which == 1:
        return "revoke_children", (draw.randint(1, 6),)
    return "remap_memory", (draw.randint(1, 3), draw.randbytes(draw.choice([1, 100, 4_096])))


def _programs(draw: Random, client: int) -> tuple[str, tuple[Any, ...]]:
    which = draw.randrange(5)
    if which < 2:
        return "run_program", ((b"exit", b"%d" % draw.randrange(256)),)
    if which == 2:
        # The last is more than a pipe holds.
        lines, length = draw.choice([(0, 1), (1, 1), (3, 1), (300, 1), (300, 12)])
        text = b"client%d" % client * length
        return draw.choice(["program_output", "pipeline"]), ((b"print", b"%d" % lines, text),)
    if which == 3:
        return "kill_program", ((b"sleep", b"100000"),)
    return "run_program", (draw.choice([(b"panic",), (b"sleep", b"%d" % draw.randrange(20))]),)


KINDS: dict[str, Callable[[Random, int], tuple[str, tuple[Any, ...]]]] = {
    "names": _names,
    "files": _files,
    "pipes": _pipes,
    "records": _records,
    "programs": _programs,
    "others": _others,
    "kernel": _kernel,
    "terminal": _terminal,
}
