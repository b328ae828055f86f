"""What services promise, as simple models beside them. One of each kind for each client.

A model knows what must be there, what must not, and of what it cannot know (UNKNOWN): of an operation that failed, or
during which the service was restarted. What services keep in memory only is gone with a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.devices import EPOCH, SECOND
from tests.simulation.plans import FILES, NAMES, SERVICES, Operation

UNKNOWN = object()
# What may come of faults: somebody ended, or there was no room.
TROUBLE = frozenset({"ServiceGone", "NoSpace", "QuotaExceeded", "Dropped"})
# Whose restart excuses an operation that fails. Those two are asked with patience by some that they need themselves.
PROGRAMS = ("loader", "files", "pipes")
TERMINAL = ("console", "serial16550")
NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("publish", "look_up", "contract_of", "withdraw", "list_names"), ("names",)),
    **dict.fromkeys(("write_file", "read_file", "file_length", "remove_file", "rename_file", "list_files"), ("files",)),
    **dict.fromkeys(("patch_file", "truncate_file", "make_directory", "remove_directory"), ("files",)),
    **dict.fromkeys(("write_record", "note_record", "read_records"), ("log",)),
    **dict.fromkeys(("verify_audit", "read_audit"), ("audit",)),
    **dict.fromkeys(("run_program", "kill_program", "program_output", "pipeline"), PROGRAMS),
    **dict.fromkeys(("read_terminal", "write_terminal"), TERMINAL),
    "pass_through_pipe": ("pipes",),
    "random_bytes": ("entropy",),
    "read_policy": ("policy",),
    "read_clock": ("rtc",),
}
PANIC, KILLED = 128 + 6, 128 + 9


class Broken(AssertionError):
    """A service did not keep its promise."""


@dataclass(frozen=True)
class Outcome:
    """What came of an operation: `error` at `stage`, or `result`. Lives of components before and after it.

    `late`: something was held up in this run, or the clock jumped, so that patience may have ended. `short`: there has
    been no memory, so that programs may have ended by that. `time`: of the machine's clock.
    """

    operation: Operation
    stage: str
    error: str
    result: Any
    before: Mapping[str, int]
    after: Mapping[str, int]
    late: bool
    short: bool
    time: int

    def expect(self, condition: bool, text: str) -> None:
        """A promise."""
        if not condition:
            came = f"{self.error} at '{self.stage}'" if self.error else repr(self.result)[:200]
            raise Broken(f"{self.operation}: {text}: {came}")

    @property
    def is_excused(self) -> bool:
        """Whether something has gone wrong that may have made the operation fail."""
        needs = NEEDS.get(self.operation.name, ())
        restarted = any(self.before[name] != self.after[name] for name in needs)
        return self.short or restarted or (self.late and needs in (PROGRAMS, TERMINAL))

    def allow(self, *errors: str) -> None:
        """No other error than these, and those of faults where something has gone wrong."""
        excused = self.error in TROUBLE and self.is_excused
        self.expect(not self.error or self.error in errors or excused, "an error that it may not give")


class Model:
    """What one service keeps for a client: by keys, values or None."""

    service = ""

    def __init__(self, client: int) -> None:
        self.client = client
        self.kept: dict[Any, Any] = {}
        self.life = 0

    def check(self, outcome: Outcome) -> None:
        """Compare, and follow. Raises Broken."""
        if outcome.before[self.service] != self.life:
            self.forget()
        getattr(self, outcome.operation.name)(outcome, *outcome.operation.arguments)
        self.life = outcome.before[self.service]
        if outcome.after[self.service] != self.life:
            self.forget()
            for key in self.touched(outcome.operation):
                self.kept[key] = UNKNOWN
            self.life = outcome.after[self.service]

    def forget(self) -> None:
        """The service was restarted."""
        self.kept.clear()

    def touched(self, operation: Operation) -> list[Any]:
        """The keys that an operation is about."""
        return []

    def is_same_life(self, outcome: Outcome) -> bool:
        """Whether the service was there all the time."""
        return outcome.before[self.service] == outcome.after[self.service]

    def agree(self, outcome: Outcome, key: Any, found: Any) -> None:
        """What was found under a key, None for nothing, is what must be there."""
        if not self.is_same_life(outcome):
            return
        expected = self.kept.get(key)
        if expected is UNKNOWN:
            self.kept[key] = found
        outcome.expect(expected is UNKNOWN or expected == found, f"{key!r} should hold {_text(expected)}")


def _text(value: Any) -> str:
    return repr(value) if not isinstance(value, bytes) else f"{len(value)} bytes {value[:20]!r}…"


class Names(Model):
    """Names that the client published, with the numbers of their contracts."""

    service = "names"

    def touched(self, operation: Operation) -> list[Any]:
        return list(operation.arguments[:1]) if operation.name in ("publish", "withdraw") else []

    def publish(self, outcome: Outcome, name: bytes, contract: int) -> None:
        outcome.allow("Exists")
        if outcome.error == "Exists":
            outcome.expect(self.kept.get(name) is not None or not self.is_same_life(outcome), "it does not exist")
        elif outcome.error:
            self.kept[name] = UNKNOWN
        else:
            self.agree(outcome, name, None)
            self.kept[name] = contract

    def look_up(self, outcome: Outcome, name: bytes) -> None:
        outcome.allow("NotFound")
        if not name.startswith(b"client%d-" % self.client):
            return
        if not outcome.error:
            self.agree(outcome, name, int(outcome.result))
        elif outcome.error == "NotFound":
            self.agree(outcome, name, None)

    def contract_of(self, outcome: Outcome, name: bytes) -> None:
        outcome.allow("NotFound")
        if not outcome.error:
            self.agree(outcome, name, outcome.result)
        elif outcome.error == "NotFound":
            self.agree(outcome, name, None)

    def withdraw(self, outcome: Outcome, name: bytes) -> None:
        outcome.allow("NotFound")
        if outcome.error == "NotFound":
            self.agree(outcome, name, None)
        elif outcome.error:
            self.kept[name] = UNKNOWN
        else:
            expected = self.kept.get(name)
            outcome.expect(expected is not None or not self.is_same_life(outcome), "it was not published")
            self.kept[name] = None

    def list_names(self, outcome: Outcome) -> None:
        outcome.allow()
        if outcome.error or not self.is_same_life(outcome):
            return
        found = {line.split(b" ")[0]: int(line.split(b" ")[1]) for line in outcome.result}
        for number in range(NAMES):
            name = b"client%d-%d" % (self.client, number)
            self.agree(outcome, name, found.get(name))


class Files(Model):
    """The contents of the client's files."""

    service = "files"

    def touched(self, operation: Operation) -> list[Any]:
        return [value for value in operation.arguments[:2] if isinstance(value, bytes) and value.startswith(b"/tmp/")]

    def doubt(self, outcome: Outcome) -> None:
        """It failed on the way."""
        for key in self.touched(outcome.operation):
            self.kept[key] = UNKNOWN

    def write_file(self, outcome: Outcome, path: bytes, content: bytes, append: bool) -> None:
        outcome.allow("NoSpace")
        before = self.kept.get(path)
        if outcome.error:
            self.doubt(outcome)
        elif not append:
            self.kept[path] = content
        elif before is not UNKNOWN:
            self.kept[path] = (before or b"") + content

    def read_file(self, outcome: Outcome, path: bytes) -> None:
        outcome.allow("NotFound")
        if not outcome.error:
            self.agree(outcome, path, outcome.result)
        elif outcome.error == "NotFound":
            self.agree(outcome, path, None)

    def file_length(self, outcome: Outcome, path: bytes) -> None:
        outcome.allow("NotFound")
        before = self.kept.get(path)
        if outcome.error == "NotFound":
            self.agree(outcome, path, None)
        elif not outcome.error and before is not UNKNOWN and self.is_same_life(outcome):
            outcome.expect(before is not None and len(before) == outcome.result, f"it should hold {_text(before)}")

    def remove_file(self, outcome: Outcome, path: bytes) -> None:
        outcome.allow("NotFound")
        if outcome.error == "NotFound":
            self.agree(outcome, path, None)
        elif outcome.error:
            self.doubt(outcome)
        else:
            outcome.expect(self.kept.get(path) is not None or not self.is_same_life(outcome), "there was no such file")
            self.kept[path] = None

    def rename_file(self, outcome: Outcome, old: bytes, new: bytes) -> None:
        outcome.allow("NotFound", "NoSpace")
        if outcome.error == "NotFound":
            self.agree(outcome, old, None)
        elif outcome.error:
            self.doubt(outcome)
        else:
            before = self.kept.get(old)
            outcome.expect(before is not None or not self.is_same_life(outcome), "there was no such file")
            self.kept[old] = None
            self.kept[new] = before

    def patch_file(self, outcome: Outcome, path: bytes, offset: int, content: bytes) -> None:
        outcome.allow("NotFound", "NoSpace")
        before = self.kept.get(path)
        if outcome.error == "NotFound":
            self.agree(outcome, path, None)
        elif outcome.error:
            self.doubt(outcome)
        elif isinstance(before, bytes):
            filled = before.ljust(offset, b"\0")
            self.kept[path] = filled[:offset] + content + filled[offset + len(content) :]
        else:
            outcome.expect(before is UNKNOWN or not self.is_same_life(outcome), "there was no such file")

    def truncate_file(self, outcome: Outcome, path: bytes, length: int) -> None:
        outcome.allow("NotFound", "NoSpace")
        before = self.kept.get(path)
        if outcome.error == "NotFound":
            self.agree(outcome, path, None)
        elif outcome.error:
            self.doubt(outcome)
        elif isinstance(before, bytes):
            self.kept[path] = before[:length].ljust(length, b"\0")
        else:
            outcome.expect(before is UNKNOWN or not self.is_same_life(outcome), "there was no such file")

    def make_directory(self, outcome: Outcome, path: bytes) -> None:
        outcome.allow("Exists", "NoSpace")
        if outcome.error == "Exists":
            self.agree(outcome, path, b"")
        elif outcome.error:
            self.doubt(outcome)
        else:
            self.agree(outcome, path, None)
            self.kept[path] = b""

    def remove_directory(self, outcome: Outcome, path: bytes) -> None:
        outcome.allow("NotFound")
        if outcome.error:
            self.remove_file(outcome, path)
        else:
            self.agree(outcome, path, b"")
            self.kept[path] = None

    def list_files(self, outcome: Outcome, path: bytes) -> None:
        outcome.allow()
        if outcome.error or not self.is_same_life(outcome):
            return
        for number in range(FILES):
            name = b"client%d-%d" % (self.client, number)
            content = self.kept.get(b"%s/%s" % (path, name))
            there = name in outcome.result
            outcome.expect(
                content is UNKNOWN or there == (content is not None), f"{name!r} should hold {_text(content)}"
            )


class Records(Model):
    """Records that the client wrote: True for those that must be there, UNKNOWN for those that may."""

    service = "log"

    def touched(self, operation: Operation) -> list[Any]:
        return list(operation.arguments)

    def write_record(self, outcome: Outcome, text: bytes) -> None:
        outcome.allow("NoSpace")
        if outcome.error != "NoSpace":
            self.kept[text] = UNKNOWN if outcome.error else True

    def note_record(self, outcome: Outcome, text: bytes) -> None:
        outcome.allow("Dropped")
        self.kept[text] = UNKNOWN

    def read_records(self, outcome: Outcome) -> None:
        outcome.allow()
        if outcome.error or not self.is_same_life(outcome):
            return
        lines = [line.split(b" ", 4) for line in outcome.result]
        numbers = [int(line[0]) for line in lines]
        outcome.expect(numbers == sorted(set(numbers)), "numbers of records that do not grow")
        own = [line[4] for line in lines if line[4].startswith(b"client%d record" % self.client)]
        for text in own:
            outcome.expect(text in self.kept, f"a record that was not written in this life: {text!r}")
            outcome.expect(own.count(text) == 1, f"twice the same record: {text!r}")
        places = {text: place for place, text in enumerate(self.kept)}
        outcome.expect(
            [places[text] for text in own] == sorted(places[text] for text in own), "records in another order"
        )
        if numbers and numbers[0] == 1:
            missing = [text for text, there in self.kept.items() if there is True and text not in own]
            outcome.expect(not missing, f"records that were accepted are lost: {missing[:3]}")


class Pipes(Model):
    """What goes through a pipe comes out."""

    service = "pipes"

    def pass_through_pipe(self, outcome: Outcome, content: bytes) -> None:
        outcome.allow()
        if not outcome.error:
            outcome.expect(outcome.result == content or not self.is_same_life(outcome), "other bytes came out")


class Programs(Model):
    """How programs end, and what they print."""

    service = "loader"

    def __init__(self, client: int) -> None:
        super().__init__(client)
        self.status = 0

    def allow(self, outcome: Outcome) -> None:
        """Whom the loader asks may have ended as well."""
        others = outcome.is_excused and outcome.error in ("NotFound", "BadProgram", "Denied", "BadArgument")
        if not others:
            outcome.allow()

    def ended(self, outcome: Outcome, status: int, *expected: int) -> None:
        """The status is one of these; where memory was short, a program may have failed for that."""
        if not self.is_same_life(outcome):
            return
        outcome.expect(status in expected or outcome.short, f"a status other than {expected}")

    def run_program(self, outcome: Outcome, arguments: tuple[bytes, ...]) -> None:
        self.allow(outcome)
        if not outcome.error:
            expected = {b"exit": int(arguments[-1]) if arguments[0] == b"exit" else 0, b"panic": PANIC, b"sleep": 0}
            self.ended(outcome, outcome.result, expected[arguments[0]])

    def kill_program(self, outcome: Outcome, arguments: tuple[bytes, ...]) -> None:
        self.allow(outcome)
        if not outcome.error:
            self.ended(outcome, outcome.result, KILLED, 0)

    def end_programs(self, outcome: Outcome) -> None:
        self.allow(outcome)

    def program_output(self, outcome: Outcome, arguments: tuple[bytes, ...]) -> None:
        self.allow(outcome)
        if outcome.error:
            return
        text, status = outcome.result
        expected = (arguments[2] + b"\n") * int(arguments[1])
        outcome.expect(expected.startswith(text), "a program printed something else")
        same = all(outcome.before[name] == outcome.after[name] for name in ("pipes", "loader"))
        if same and status == 0:
            outcome.expect(text == expected or outcome.short, "output was lost")
        if same:
            self.ended(outcome, status, 0)

    def pipeline(self, outcome: Outcome, arguments: tuple[bytes, ...]) -> None:
        self.allow(outcome)
        if not outcome.error:
            text, first, second = outcome.result
            expected = (arguments[2] + b"\n") * int(arguments[1])
            outcome.expect(expected.startswith(text), "a program printed something else")
            same = all(outcome.before[name] == outcome.after[name] for name in ("pipes", "loader"))
            if same and not outcome.short:
                outcome.expect((text, first, second) == (expected, 0, 0), "output was lost")


class Others(Model):
    """Services that keep nothing for clients."""

    service = "policy"

    def verify_audit(self, outcome: Outcome) -> None:
        outcome.allow()
        if not outcome.error:
            records, sound = outcome.result
            outcome.expect(records == sound, "the chain of audit records is broken")

    def read_audit(self, outcome: Outcome, position: int) -> None:
        outcome.allow()

    def random_bytes(self, outcome: Outcome, length: int) -> None:
        outcome.allow()
        outcome.expect(bool(outcome.error) or len(outcome.result) == length, "less than was asked for")

    def read_policy(self, outcome: Outcome) -> None:
        outcome.allow()
        outcome.expect(bool(outcome.error) or outcome.result[0] == [], "there is no policy, but it has labels")

    def read_clock(self, outcome: Outcome) -> None:
        outcome.allow()
        if not outcome.error:
            now = outcome.time // SECOND + EPOCH
            outcome.expect(abs(outcome.result // SECOND - now) <= 30 or outcome.late, f"it should be {now}")

    def list_components(self, outcome: Outcome) -> None:
        outcome.allow()
        if not outcome.error:
            names = {line.split(b" ")[0].decode() for line in outcome.result}
            outcome.expect(set(SERVICES) <= names, "init does not know all components")

    def restart_component(self, outcome: Outcome, name: bytes) -> None:
        outcome.allow("BadArgument", "NotFound")

    def sleep(self, outcome: Outcome, duration: int) -> None:
        outcome.allow()

    def shut_down(self, outcome: Outcome) -> None:
        outcome.expect(False, "the machine was not switched off")


class Terminal(Model):
    """Lines that are typed arrive; what is written is shown."""

    service = "console"

    def __init__(self, client: int) -> None:
        super().__init__(client)
        # Whether all that was typed so far has been read, by processes that were there from the first on.
        self.is_clean = True

    def read_terminal(self, outcome: Outcome, text: bytes) -> None:
        outcome.allow()
        names = (*TERMINAL, f"client{self.client}")
        self.is_clean &= all(lives[name] == 1 for lives in (outcome.before, outcome.after) for name in names)
        self.is_clean &= not outcome.error
        if self.is_clean:
            outcome.expect(outcome.result == text + b"\n", "another line came")

    def write_terminal(self, outcome: Outcome, text: bytes) -> None:
        outcome.allow()


class Kernel(Model):
    """What system calls promise."""

    service = "init"
    ROOM = ("QuotaExceeded", "OutOfMemory", "TooManyHandles")

    def allow(self, outcome: Outcome) -> None:
        """Without memory a call may fail."""
        outcome.expect(not outcome.error or (outcome.short and outcome.error in self.ROOM), "a call failed")

    def use_closed_handle(self, outcome: Outcome, between: int) -> None:
        self.allow(outcome)
        outcome.expect(bool(outcome.error) or outcome.result == "BadHandle", "a closed handle can be used")

    def revoke_children(self, outcome: Outcome, children: int) -> None:
        self.allow(outcome)
        every = outcome.error or outcome.result == ["BadHandle"] * children
        outcome.expect(bool(every), "what was derived from a revoked handle can be used")

    def remap_memory(self, outcome: Outcome, pages: int, content: bytes) -> None:
        self.allow(outcome)
        outcome.expect(bool(outcome.error) or outcome.result == [content] * 2, "memory does not hold what was written")


KINDS = (Names, Files, Records, Pipes, Programs, Others, Terminal, Kernel)


class Models:
    """All models of a client."""

    def __init__(self, client: int) -> None:
        self.client = client
        self.all = [kind(client) for kind in KINDS]

    def check(self, outcome: Outcome) -> None:
        """Compare what came of an operation. Raises Broken."""
        for model in self.all:
            if hasattr(model, outcome.operation.name):
                model.check(outcome)

    def cut_short(self, operation: Operation, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        """The client itself ended in the midst of an operation."""
        for model in self.all:
            if hasattr(model, operation.name):
                if before[model.service] != model.life:
                    model.forget()
                for key in model.touched(operation):
                    model.kept[key] = UNKNOWN
                model.life = before[model.service]

    def last_operations(self) -> list[Operation]:
        """What the client does in the end: look at everything once more, and leave nothing behind."""
        names = [b"client%d-%d" % (self.client, number) for number in range(NAMES)]
        files = [b"/tmp/client%d-%d" % (self.client, number) for number in range(FILES)]
        looks: list[tuple[str, tuple[Any, ...]]] = []
        for operation, keys in (("contract_of", names), ("read_file", files)):
            looks += [(operation, (key,)) for key in keys]
        looks += [("read_records", ()), ("verify_audit", ())]
        folder = [b"/tmp/client%d-folder" % self.client]
        for operation, keys in (("withdraw", names), ("remove_file", files), ("remove_directory", folder)):
            looks += [(operation, (key,)) for key in keys]
        # Who makes another pipe or program has those looked for that nobody holds any more.
        ends = [("pass_through_pipe", (b"last",)), ("run_program", ((b"exit", b"0"),)), ("stop", ())]
        return [Operation(self.client, name, arguments) for name, arguments in [*looks, *ends]]
