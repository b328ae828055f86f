"""What the parts of the interpreter share: the state, jobs, and how control leaves a command."""

from __future__ import annotations

from typing import Protocol

from cloudos.apps.shell.builtin_names import Builtin, builtin_table
from cloudos.apps.shell.channel import Channel
from cloudos.apps.shell.state import State
from cloudos.apps.shell.tree import Node
from cloudos.contracts.programs import INTERRUPT
from cloudos.lang import U64, Error, managed
from cloudos.sdk import List, Map, Text, programs, system
from cloudos.sdk.programs import Launch

LOOK_AGAIN = 20_000_000  # nanoseconds between two looks for signals
NO_PROGRAM = 1 << 20  # numbers in `$!` of jobs that could not be started begin here
FAILED = 2  # the status of syntax errors, of expansions without a value and of builtins used wrongly


class BreakLoop(Error):
    """`break`: the context knows how many loops."""


class ContinueLoop(Error):
    """`continue`: the context knows how many loops are left before."""


class ReturnFunction(Error):
    """`return`, with the status of the state."""


class Abandoned(Error):
    """A person ended a program with the interrupt key: the whole command is given up, with the status of the state."""


class Runner(Protocol):
    """Who runs commands, for those parts that they contain and that contain them."""

    def run(self, node: Node) -> None:
        """Run a command; its status is that of the state."""

    def run_apart(self, node: Node) -> None:
        """Run a command in a subshell."""

    def run_connected(self, node: Node, reads: Channel, writes: Channel) -> None:
        """`run_apart` with other descriptors 0 and 1."""

    def capture(self, body: Node) -> Text:
        """What a subshell writes to standard output, without newlines at the end."""

    def run_text(self, text: Text) -> None:
        """Run a script in this shell. Raises what its commands raise."""

    def handle_signals(self) -> None:
        """Do what is to be done for the signals that have come. Raises what leaves a command."""


@managed
class Job:
    """Something that runs in the background."""

    id: U64
    # Its number in `$!`: that of its last program.
    number: U64
    group: U64
    launches: List[Launch]
    text: Text
    done: bool
    status: U64
    stopped: bool = False


@managed
class Context:
    """One shell."""

    state: State
    builtins: Map[Text, Builtin]
    jobs: List[Job]
    # The first so many jobs are those of the shell around this subshell: they can be seen, but not waited for.
    inherited: U64
    # How many commands around this one have their status tested, so that `set -e` does not apply.
    tested: U64
    # Loops and functions around this command, in this function or subshell; and how many loops are to be left.
    loops: U64
    levels: U64
    calls: U64
    # Whether a person types the commands.
    person: bool
    # Subshells around this command that are copies of the state in this process.
    apart: U64
    # The group of programs that this shell belongs to, and those that it starts; 0: each gets its own.
    group: U64
    # Signals that are told to this shell, and those that came, as bits; and when to look again.
    attended: U64
    pending: U64
    next_look: U64

    def __init__(self) -> None:
        self.state = State()
        self.builtins = builtin_table()
        self.jobs = List[Job]()
        self.inherited = U64(0)
        self.tested = U64(0)
        self.loops = U64(0)
        self.levels = U64(0)
        self.calls = U64(0)
        self.person = False
        self.apart = U64(0)
        self.group = U64(0)
        self.attended = U64(0)
        self.pending = U64(0)
        self.next_look = U64(0)

    def builtin(self, name: Text) -> Builtin:
        """The builtin of this name, or NONE."""
        return self.builtins.get(name, Builtin.NONE)

    def fail(self, problem: str, status: U64) -> None:
        """Show what is wrong, and set the status."""
        self.state.complain(problem)
        self.state.status = status

    def introduce(self) -> None:
        """Find out who this shell is among the programs."""
        number, self.group = programs.own()
        if number != 0:
            self.state.number = number

    # Signals.

    def attend(self) -> None:
        """Have those signals told for which `trap` says something."""
        mask = self.attended if self.apart > 0 else U64(0)
        for signal in self.state.traps:
            mask = mask | U64(1) << signal
        mask = mask & ~U64(1)
        if mask != self.attended:
            programs.attend(mask)
            self.attended = mask

    def is_due(self) -> bool:
        """Whether it is time to look for signals."""
        if self.attended == 0 and not self.person:
            return False
        return system.clock_read() >= self.next_look

    def look(self, patience: U64 = U64(0)) -> None:
        """Note the signals that have come, after waiting so many nanoseconds for some."""
        self.pending = self.pending | programs.signals(patience)
        if self.person and programs.interrupted():
            self.pending = self.pending | U64(1) << INTERRUPT
        self.next_look = system.clock_read() + LOOK_AGAIN

    def set_foreground(self, group: U64) -> None:
        """At a terminal: the group that the interrupt key ends; 0 for none. A script's programs are in its group."""
        if self.person:
            programs.set_foreground(group)

    def stops_jobs(self) -> bool:
        """Whether what is stopped becomes a job: at a terminal. In a subshell nobody could continue it."""
        return self.person and self.apart == 0

    def check_interrupt(self) -> None:
        """Raises Abandoned when the interrupt key ended the program that just ran, so that loops end, too."""
        if self.person and self.state.status == 128 + INTERRUPT:
            raise Abandoned

    def add_job(self, launches: List[Launch], number: U64, text: Text) -> Job:
        """Note a job."""
        id = U64(1)
        for job in self.jobs:
            id = max(id, job.id + 1)
        group = launches[0].group if launches.length > 0 else U64(0)
        job = Job(id, number, group, launches, text, launches.length == 0, self.state.status)
        self.jobs.append(job)
        return job
