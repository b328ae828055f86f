"""Runs the syntax tree."""

from __future__ import annotations

from cloudos.apps.shell.aliases import Replacements
from cloudos.apps.shell.channel import Channel, memory_channel
from cloudos.apps.shell.commands import restore_channels, run_simple, saved_channels
from cloudos.apps.shell.context import FAILED, BreakLoop, Context, ContinueLoop, Job, ReturnFunction
from cloudos.apps.shell.expansion import Expander, without_newlines
from cloudos.apps.shell.lexer import Lexer, SyntaxFailure
from cloudos.apps.shell.parser import Parser, text_lexer
from cloudos.apps.shell.pattern import matches
from cloudos.apps.shell.pipelines import run_background, run_pipeline
from cloudos.apps.shell.redirect import redirect
from cloudos.apps.shell.state import ExitShell, ExpansionFailure, State
from cloudos.apps.shell.traps import handle_signals, run_exit_trap
from cloudos.apps.shell.tree import Node, NodeKind
from cloudos.lang import U64, managed
from cloudos.sdk import List, Text

DEEPEST = 150  # commands within commands, functions included: each takes a piece of the stack


@managed
class Interpreter:
    """A shell: what runs commands in the state of its context."""

    context: Context
    depth: U64

    def __init__(self, context: Context) -> None:
        self.context = context
        self.depth = U64(0)

    def run(self, node: Node) -> None:
        """Run a command; its status is that of the state.

        Raises what leaves a command: ExitShell, ExpansionFailure, BreakLoop, ContinueLoop, ReturnFunction.
        """
        if self.depth == DEEPEST:
            self.context.fail("commands too deeply nested", U64(FAILED))
            raise ExpansionFailure
        self.depth += 1
        try:
            if self.context.is_due():
                self.handle_signals()
            if node.kind == NodeKind.SIMPLE:
                run_simple(self.context, self, node)
                self.check(node)
            elif node.redirections.length == 0:
                self.compound(node)
            else:
                self.redirected(node)
        finally:
            self.depth -= 1

    def check(self, node: Node) -> None:
        """End the shell when a command failed and `set -e` is on."""
        context = self.context
        if context.state.status != 0 and context.state.options.exit_on_error and context.tested == 0:
            raise ExitShell

    def redirected(self, node: Node) -> None:
        """A compound command with redirections."""
        state = self.context.state
        saved = saved_channels(state, node.redirections)
        try:
            if redirect(state, self, node.redirections):
                self.compound(node)
            else:
                state.status = U64(FAILED)
                self.check(node)
        finally:
            restore_channels(state, node.redirections, saved)

    def compound(self, node: Node) -> None:
        """Any command but a simple one."""
        match node.kind:
            case NodeKind.LIST:
                for child in node.children:
                    self.run(child)
            case NodeKind.GROUP:
                self.run(node.children[0])
            case NodeKind.SUBSHELL:
                self.run_apart(node.children[0])
                self.check(node)
            case NodeKind.PIPELINE:
                self.pipeline(node)
            case NodeKind.AND | NodeKind.OR:
                self.joined(node)
            case NodeKind.IF:
                self.conditional(node)
            case NodeKind.WHILE | NodeKind.UNTIL:
                self.loop(node)
            case NodeKind.FOR:
                self.iteration(node)
            case NodeKind.CASE:
                self.selection(node)
            case NodeKind.FUNCTION:
                self.context.state.functions[node.name] = node.children[0]
                self.context.state.status = U64(0)
            case NodeKind.BACKGROUND:
                run_background(self.context, self, node)
            case NodeKind.SIMPLE:
                pass

    def tested(self, node: Node) -> bool:
        """Run a command whose status decides something: whether it was 0."""
        self.context.tested += 1
        try:
            self.run(node)
        finally:
            self.context.tested -= 1
        return self.context.state.status == 0

    def pipeline(self, node: Node) -> None:
        """`[!] a | b | …`."""
        state = self.context.state
        negates = node.name.length > 0
        if negates:
            self.context.tested += 1
        try:
            if node.children.length == 1:
                self.run(node.children[0])
            else:
                run_pipeline(self.context, self, node)
        finally:
            if negates:
                self.context.tested -= 1
        if node.flag:
            state.status = U64(1) if state.status == 0 else U64(0)
        if not negates:
            self.check(node)

    def joined(self, node: Node) -> None:
        """`a && b`, `a || b`."""
        if self.tested(node.children[0]) == (node.kind == NodeKind.AND):
            self.run(node.children[1])

    def conditional(self, node: Node) -> None:
        """`if`."""
        if self.tested(node.children[0]):
            self.run(node.children[1])
        elif node.children.length > 2:
            self.run(node.children[2])
        else:
            self.context.state.status = U64(0)

    def loop(self, node: Node) -> None:
        """`while` and `until`."""
        status = U64(0)
        self.context.loops += 1
        try:
            while True:
                more = True
                try:
                    if self.tested(node.children[0]) != (node.kind == NodeKind.WHILE):
                        break
                    self.run(node.children[1])
                    status = self.context.state.status
                except ContinueLoop:
                    self.leave_levels(True)
                    status = self.context.state.status
                except BreakLoop:
                    self.leave_levels(False)
                    status = self.context.state.status
                    more = False
                if not more:
                    break
        finally:
            self.context.loops -= 1
        self.context.state.status = status

    def leave_levels(self, go_on: bool) -> None:
        """`break` and `continue` have come to a loop; further out when more levels are meant."""
        self.context.levels -= 1
        if self.context.levels > 0:
            if go_on:
                raise ContinueLoop
            raise BreakLoop

    def iteration(self, node: Node) -> None:
        """`for`."""
        state = self.context.state
        state.line = node.line
        values = Expander(state, self).fields(node.words) if node.flag else state.arguments
        status = U64(0)
        self.context.loops += 1
        try:
            for value in values:
                more = True
                state.set(node.name, value)
                try:
                    self.run(node.children[0])
                except ContinueLoop:
                    self.leave_levels(True)
                except BreakLoop:
                    self.leave_levels(False)
                    more = False
                status = state.status
                if not more:
                    break
        finally:
            self.context.loops -= 1
        state.status = status

    def selection(self, node: Node) -> None:
        """`case`."""
        state = self.context.state
        state.line = node.line
        expander = Expander(state, self)
        value = expander.text(node.words[0])
        for item in node.cases:
            for pattern in item.patterns:
                if matches(expander.pattern(pattern), value.content):
                    state.status = U64(0)
                    self.run(item.body)
                    return
        state.status = U64(0)

    # Subshells: the same process, with a copy of the state.

    def run_apart(self, node: Node) -> None:
        """Run a command in a copy of the state; whatever leaves it, leaves only that."""
        before = self.context.state
        self.run_connected(node, before.channels[0], before.channels[1])

    def run_connected(self, node: Node, reads: Channel, writes: Channel) -> None:
        """`run_apart` with other descriptors 0 and 1."""
        context = self.context
        before = context.state
        loops, calls = context.loops, context.calls
        jobs, inherited = context.jobs, context.inherited
        context.jobs = List[Job]()
        context.jobs.extend(jobs)
        context.inherited = jobs.length
        context.apart += 1
        inner = before.copy()
        inner.channels[0] = reads
        inner.channels[1] = writes
        context.state = inner
        try:
            self.run(node)
        except (ExitShell, ReturnFunction, BreakLoop, ContinueLoop):
            pass
        except ExpansionFailure:
            inner.status = U64(FAILED)
        finally:
            context.loops = loops
            context.calls = calls
            context.levels = U64(0)
            context.apart -= 1
            self.leave_copy(inner, before)
            context.jobs, context.inherited = jobs, inherited

    def leave_copy(self, inner: State, before: State) -> None:
        """Go back to the state around a subshell."""
        try:
            run_exit_trap(self.context, self)
        finally:
            self.context.state = before
            before.status = inner.status

    def handle_signals(self) -> None:
        """Do what is to be done for the signals that have come. Raises what leaves a command."""
        handle_signals(self.context, self)

    def capture(self, body: Node) -> Text:
        """What a subshell writes to standard output, without newlines at the end."""
        state = self.context.state
        channel = memory_channel()
        before = state.status
        tested = self.context.tested
        self.context.tested = U64(0)
        self.run_connected(body, state.channels[0], channel)
        self.context.tested = tested
        if body.children.length == 0:
            state.status = U64(0)
        state.substituted = state.status
        state.status = before
        memory = channel.memory
        assert memory is not None
        return without_newlines(memory)

    # Scripts.

    def run_text(self, text: Text) -> None:
        """Run a script in this shell, line by line. Raises what its commands raise, ExpansionFailure for its errors."""
        lexer = text_lexer(text)
        lexer.aliases = Replacements(self.context.state.aliases)
        parser = Parser(lexer)
        while self.run_next(lexer, parser):
            pass

    def run_next(self, lexer: Lexer, parser: Parser) -> bool:
        """Run the next complete command of a script; False at its end. Raises as `run_text` does."""
        state = self.context.state
        try:
            node = parser.next_command()
        except SyntaxFailure:
            state.line = lexer.line
            self.context.fail(f"Syntax error: {lexer.problem}", U64(FAILED))
            raise ExpansionFailure
        if node is None:
            return False
        if not state.options.no_run:
            self.run(node)
        return True
