"""Pipelines, and commands in the background.

Programs of a pipeline run at the same time. What the shell runs itself, builtins and compound commands, runs in order:
its output waits in memory when the shell has to run the reader, too, and goes through a pipe when a program reads it.
"""

from __future__ import annotations

from cloudos.abi.errors import QuotaExceeded
from cloudos.apps.shell.builtin_names import Builtin
from cloudos.apps.shell.channel import Channel, closed_channel, memory_channel
from cloudos.apps.shell.commands import assign, find_function, trace
from cloudos.apps.shell.context import Context, Runner
from cloudos.apps.shell.expansion import Expander
from cloudos.apps.shell.launcher import (
    NOT_EXECUTABLE,
    ScriptFound,
    Sinks,
    await_launch,
    find_program,
    spawn,
)
from cloudos.apps.shell.redirect import redirect
from cloudos.apps.shell.state import ExpansionFailure, State
from cloudos.apps.shell.tree import Node, NodeKind, PartKind
from cloudos.contracts.errors import ServiceError
from cloudos.contracts.files import READ
from cloudos.lang import U64, Error, managed, write_text
from cloudos.sdk import ByteBuffer, List, Text, programs
from cloudos.sdk.programs import Launch

FAILED = 2
NO_PROGRAM = 1 << 20  # numbers in `$!` of jobs that the shell ran itself begin here


@managed
class Pipeline:
    """A pipeline that is being run."""

    context: Context
    runner: Runner
    stages: List[Node]
    # What each stage reads, and what it writes.
    inputs: List[Channel]
    outputs: List[Channel]
    launches: List[Launch]
    sinks: Sinks
    group: U64
    # Whether the interrupt key is to end the programs.
    foreground: bool
    # The program of the last stage that began; None when it was no program.
    last: Launch | None

    def external(self, number: U64) -> bool:
        """Whether a stage is a program for sure."""
        return is_external(self.context, self.stages[number])

    def all_external(self, start: U64) -> bool:
        """Whether all stages from a number on are programs."""
        for number in U64.range(start, self.stages.length):
            if not self.external(number):
                return False
        return True

    def connect(self, last: Channel) -> None:
        """Decide how stages are connected. Raises what `make_pipe` does."""
        count = self.stages.length
        for number in U64.range(count):
            if number + 1 == count:
                self.outputs.append(last)
            elif self.external(number) or (last.memory is None and self.all_external(number + 1)):
                reading, writing = programs.make_pipe()
                self.inputs.append(Channel(reading, True))
                self.outputs.append(Channel(writing, True))
            else:
                between = memory_channel()
                self.inputs.append(between)
                self.outputs.append(between)

    def close(self, number: U64) -> None:
        """A stage has its streams: the shell keeps none of those between stages."""
        if number > 0:
            self.inputs[number].close()
        if number + 1 < self.stages.length:
            self.outputs[number].close()

    def run(self) -> None:
        """Run the stages, all programs as early as possible."""
        number = U64(0)
        while number < self.stages.length:
            if self.external(number):
                self.start(number)
            else:
                piped = number + 1 < self.stages.length and self.outputs[number].memory is None
                if piped:
                    for later in U64.range(number + 1, self.stages.length):
                        self.start(later)
                self.runner.run_connected(self.stages[number], self.inputs[number], self.outputs[number])
                self.close(number)
                if piped:
                    return
                self.last = None
            number += 1

    def start(self, number: U64) -> None:
        """Start a program with its streams."""
        context = self.context
        before = context.state
        inner = before.copy()
        inner.channels[0] = self.inputs[number]
        inner.channels[1] = self.outputs[number]
        context.state = inner
        self.last = None
        try:
            launch = launch_stage(context, self.runner, self.stages[number], self.sinks, self.group)
            if launch is not None:
                self.launches.append(launch)
                self.last = launch
                if self.group == 0:
                    self.group = launch.number
                    if self.foreground:
                        programs.set_foreground(self.group)
        except ExpansionFailure:
            inner.status = U64(FAILED)
        context.state = before
        before.status = inner.status
        self.close(number)

    def finish(self) -> None:
        """Wait for the programs; the status of the state is that of the last stage."""
        self.sinks.collect()
        for launch in self.launches:
            await_launch(launch)
        last = self.last
        if last is not None:
            self.context.state.status = await_launch(last)


def launch_stage(context: Context, runner: Runner, node: Node, sinks: Sinks, group: U64) -> Launch | None:
    """Start the program of a simple command in the state of the context; None, after showing why, when it cannot.

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
        return spawn(context, state, fields, sinks, group)
    except ScriptFound:
        pass
    # A script runs beside the other stages in a shell of its own.
    command = List[Text]()
    command.append(Text("/bin/sh"))
    path = find_program(state, fields[0])
    command.append(fields[0] if path is None or fields[0].find("/") is not None else path)
    command.extend(fields.slice(U64(1), fields.length))
    try:
        return spawn(context, state, command, sinks, group)
    except ScriptFound:
        context.fail(f"{fields[0]}: cannot run", U64(NOT_EXECUTABLE))
        return None


def is_external(context: Context, node: Node) -> bool:
    """Whether a command is a program for sure: its name is written out, and neither a builtin's nor a function's."""
    if node.kind != NodeKind.SIMPLE or node.words.length == 0:
        return False
    name = ByteBuffer()
    for part in node.words[0].parts:
        if part.kind != PartKind.LITERAL and part.kind != PartKind.QUOTED:
            return False
        name.write(part.text.content)
    text = name.to_text()
    return context.builtin(text) == Builtin.NONE and find_function(context.state, text) is None


def new_pipeline(
    context: Context, runner: Runner, stages: List[Node], reads: Channel, writes: Channel, foreground: bool
) -> Pipeline:
    """A pipeline with its streams. Raises what `make_pipe` does."""
    made = Pipeline(
        context, runner, stages, List[Channel](), List[Channel](), List[Launch](), Sinks(), U64(0), foreground, None
    )
    made.inputs.append(reads)
    made.connect(writes)
    return made


def run_pipeline(context: Context, runner: Runner, node: Node) -> None:
    """Run a pipeline of at least two commands and wait for it. Raises ExpansionFailure when there are no pipes."""
    state = context.state
    try:
        pipeline = new_pipeline(context, runner, node.children, state.channels[0], state.channels[1], True)
    except ServiceError:
        context.fail("cannot make pipes", U64(FAILED))
        raise ExpansionFailure
    except QuotaExceeded:
        context.fail("too many pipes", U64(FAILED))
        raise ExpansionFailure
    try:
        pipeline.run()
        pipeline.finish()
    finally:
        programs.set_foreground(U64(0))
    context.check_interrupt()


def run_background(context: Context, runner: Runner, node: Node) -> None:
    """`command &`: programs run on; what only the shell can run, runs to its end right away."""
    state = context.state
    stages = node.children[0].children
    if node.children[0].kind != NodeKind.PIPELINE:
        stages = node.children
    for stage in stages:
        if not is_external(context, stage):
            runner.run_apart(node.children[0])
            state.background = U64(NO_PROGRAM) + state.background % NO_PROGRAM + 1
            context.add_job(List[Launch](), state.background, node.name)
            state.status = U64(0)
            return
    try:
        pipeline = new_pipeline(context, runner, stages, no_input(state), state.channels[1], False)
    except Error:
        context.fail("cannot make pipes", U64(FAILED))
        return
    pipeline.run()
    pipeline.sinks.collect()
    last = pipeline.last
    if last is None:
        state.background = U64(NO_PROGRAM) + state.background % NO_PROGRAM + 1
        context.add_job(List[Launch](), state.background, node.name)
    else:
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
