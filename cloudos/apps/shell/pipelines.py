"""Pipelines, and commands in the background.

All stages of a pipeline run at the same time: programs, and for what only a shell can run a shell each, with a copy of
this one's state (`subshell.py`). A thread in this process would share what a subshell must not change, and could not be
ended. A stage like `echo` in front of others is done at once, without a process of its own.
"""

from __future__ import annotations

from cloudos.abi.errors import QuotaExceeded
from cloudos.apps.shell.builtin_names import Builtin
from cloudos.apps.shell.channel import Channel, closed_channel, document, memory_channel
from cloudos.apps.shell.commands import assign, find_function, trace
from cloudos.apps.shell.context import NO_PROGRAM, Context, Runner
from cloudos.apps.shell.expansion import Expander
from cloudos.apps.shell.jobs import note_stopped
from cloudos.apps.shell.launcher import (
    NOT_EXECUTABLE,
    ScriptFound,
    Sinks,
    await_launch,
    begin,
    find_program,
    has_ended,
    prepare,
)
from cloudos.apps.shell.redirect import redirect
from cloudos.apps.shell.state import ExpansionFailure, State
from cloudos.apps.shell.subshell import prepare_subshell
from cloudos.apps.shell.tree import Node, NodeKind, PartKind, Word
from cloudos.contracts.errors import ServiceError
from cloudos.contracts.files import READ
from cloudos.contracts.programs import INTERRUPT
from cloudos.lang import U64, Error, managed, write_text
from cloudos.sdk import ByteBuffer, List, Text, programs
from cloudos.sdk.programs import Launch

FAILED = 2


@managed
class Pipeline:
    """A pipeline that is being run."""

    context: Context
    runner: Runner
    stages: List[Node]
    launches: List[Launch]
    sinks: Sinks
    # The group of the programs; 0: that of the first is to be made.
    group: U64
    foreground: bool
    # The program of the last stage that began; None when it was no program.
    last: Launch | None
    # `$?` in all stages.
    status: U64

    def run(self, first: Channel) -> None:
        """Start the stages, from what the first reads on. Raises what `make_pipe` does.

        All are prepared first, and started from the last on: who writes much would not let this shell go on otherwise.
        """
        self.prepare_all(first)
        at = self.launches.length
        while at > 0:
            at -= 1
            launch = self.launches[at]
            if not begin(self.context, launch, self.group):
                self.launches.remove_at(at)
                if self.last is launch:
                    self.last = None
                continue
            if self.group == 0:
                self.group = launch.number
            if self.foreground:
                self.context.set_foreground(self.group)

    def prepare_all(self, first: Channel) -> None:
        """Prepare the stages. Raises what `make_pipe` does."""
        reads = first
        for number in U64.range(self.stages.length):
            node = self.stages[number]
            if number + 1 == self.stages.length:
                self.prepare(node, reads, self.context.state.channels[1])
            elif is_immediate(self.context, node):
                gathered = memory_channel()
                self.runner.run_connected(node, reads, gathered)
                self.context.state.status = self.status
                self.close(number, reads)
                memory = gathered.memory
                assert memory is not None
                reads = document(memory.content())
                continue
            else:
                reading, writing = programs.make_pipe()
                writes, following = Channel(writing, True), Channel(reading, True)
                self.prepare(node, reads, writes)
                writes.close()
                self.close(number, reads)
                reads = following
                continue
            self.close(number, reads)

    def close(self, number: U64, reads: Channel) -> None:
        """A stage has what it reads: the shell keeps none of the pipes between stages."""
        if number > 0:
            reads.close()

    def prepare(self, node: Node, reads: Channel, writes: Channel) -> None:
        """Prepare a stage with its streams."""
        context = self.context
        before = context.state
        inner = before.copy()
        inner.channels[0] = reads
        inner.channels[1] = writes
        inner.status = self.status
        if not self.foreground and not context.person:
            # The interrupt key is not meant for what a script has in the background.
            inner.traps[U64(INTERRUPT)] = Text("")
        context.state = inner
        self.last = None
        try:
            if is_external(context, node):
                launch = prepare_stage(context, self.runner, node, self.sinks)
            else:
                launch = prepare_subshell(context, inner, node, self.sinks)
            if launch is not None:
                self.launches.append(launch)
                self.last = launch
        except ExpansionFailure:
            inner.status = U64(FAILED)
        context.state = before
        before.status = inner.status

    def finish(self) -> None:
        """Wait for the programs; the status of the state is that of the last stage."""
        self.sinks.collect()
        going = False
        for launch in self.launches:
            if self.context.stops_jobs():
                going = not has_ended(launch) or going
            else:
                await_launch(launch)
        self.sinks.finish()
        if going:
            note_stopped(self.context, self.launches, text_of(self.stages))
        last = self.last
        if last is not None:
            self.context.state.status = last.status


def prepare_stage(context: Context, runner: Runner, node: Node, sinks: Sinks) -> Launch | None:
    """Prepare the program of a simple command in the state of the context; None, after showing why, when it cannot.

    Raises ExpansionFailure.
    """
    state = context.state
    state.line = node.line
    fields = Expander(state, runner).fields(node.words)
    if state.options.trace:
        trace(state, fields)
    if not redirect(state, runner, node.redirections):
        state.status = U64(FAILED)
        return None
    assign(state, runner, node.assignments, True)
    try:
        return prepare(context, state, fields, sinks)
    except ScriptFound:
        pass
    # A script runs beside the other stages in a shell of its own.
    command = List[Text]()
    command.append(Text("/bin/sh"))
    path = find_program(state, fields[0])
    command.append(fields[0] if path is None or fields[0].find("/") is not None else path)
    command.extend(fields.slice(U64(1), fields.length))
    try:
        return prepare(context, state, command, sinks)
    except ScriptFound:
        context.fail(f"{fields[0]}: cannot run", U64(NOT_EXECUTABLE))
        return None


def written_name(node: Node) -> Text | None:
    """The name of a simple command, when it is written out."""
    if node.kind != NodeKind.SIMPLE or node.words.length == 0:
        return None
    name = ByteBuffer()
    for part in node.words[0].parts:
        if part.kind != PartKind.LITERAL and part.kind != PartKind.QUOTED:
            return None
        name.write(part.text.content)
    return name.to_text()


def text_of(stages: List[Node]) -> Text:
    """A pipeline by the names of its commands."""
    names = List[Text]()
    for stage in stages:
        name = written_name(stage)
        names.append(Text("...") if name is None else name)
    return Text(" | ").join(names)


def is_external(context: Context, node: Node) -> bool:
    """Whether a command is a program for sure: its name is written out, and neither a builtin's nor a function's."""
    name = written_name(node)
    return name is not None and context.builtin(name) == Builtin.NONE and find_function(context.state, name) is None


def is_immediate(context: Context, node: Node) -> bool:
    """Whether a command is a builtin that reads nothing and ends at once, whatever its arguments are."""
    name = written_name(node)
    if name is None or find_function(context.state, name) is not None:
        return False
    for word in node.words:
        if not is_plain(word):
            return False
    for assignment in node.assignments:
        if not is_plain(assignment.value):
            return False
    for redirection in node.redirections:
        if not is_plain(redirection.target):
            return False
    match context.builtin(name):
        case Builtin.ECHO | Builtin.PRINTF | Builtin.PWD | Builtin.JOBS | Builtin.COLON | Builtin.TRUE | Builtin.FALSE:
            return True
        case _:
            return False


def is_plain(word: Word) -> bool:
    """Whether no commands stand in a word."""
    for part in word.parts:
        inner = part.word
        if part.kind == PartKind.COMMAND or (inner is not None and not is_plain(inner)):
            return False
    return True


def run_pipeline(context: Context, runner: Runner, node: Node) -> None:
    """Run a pipeline of at least two commands and wait for it. Raises ExpansionFailure when there are no pipes."""
    status = context.state.status
    pipeline = Pipeline(context, runner, node.children, List[Launch](), Sinks(), context.group, True, None, status)
    try:
        pipeline.run(context.state.channels[0])
    except ServiceError:
        context.fail("cannot make pipes", U64(FAILED))
        raise ExpansionFailure
    except QuotaExceeded:
        context.fail("too many pipes", U64(FAILED))
        raise ExpansionFailure
    finally:
        pipeline.finish()
        context.set_foreground(U64(0))
        context.next_look = U64(0)
    context.check_interrupt()


def run_background(context: Context, runner: Runner, node: Node) -> None:
    """`command &`: programs, or a shell for what only a shell can run."""
    state = context.state
    stages = node.children[0].children
    if node.children[0].kind != NodeKind.PIPELINE:
        stages = node.children
    for stage in stages:
        if not is_external(context, stage):
            stages = node.children
            break
    before = state.channels[0]
    pipeline = Pipeline(context, runner, stages, List[Launch](), Sinks(), U64(0), False, None, state.status)
    try:
        pipeline.run(no_input(state))
    except Error:
        context.fail("cannot make pipes", U64(FAILED))
        return
    finally:
        state.channels[0] = before
    pipeline.sinks.collect()
    last = pipeline.last
    if last is None:
        # It could not be started: a job that has ended already.
        state.background = U64(NO_PROGRAM) + state.background % NO_PROGRAM + 1
        context.add_job(List[Launch](), state.background, node.name)
        state.status = U64(0)
        return
    state.background = last.number
    job = context.add_job(pipeline.launches, last.number, node.name)
    if state.interactive:
        text = ByteBuffer()
        write_text(text, f"[{job.id}] {job.number}\n")
        state.show_error(text)
    state.status = U64(0)


def no_input(state: State) -> Channel:
    """What a background job reads: nothing, where the shell reads its script or its user from the same stream."""
    try:
        return Channel(programs.open_stream(Text("/dev/null"), U64(READ), U64(0)), True)
    except Error:
        return closed_channel()
