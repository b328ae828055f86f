"""The state of a shell: what a subshell gets a copy of."""

from __future__ import annotations

from cloudos.apps.shell.channel import Channel, closed_channel
from cloudos.apps.shell.tree import Node
from cloudos.lang import I64, U8, U64, Error, managed, write_text
from cloudos.sdk import ByteBuffer, InvalidNumber, KeyMissing, List, Map, Text, programs

DESCRIPTORS = 10
MASK = 0o022


class ExitShell(Error):
    """The shell, or the subshell, ends with the status of its state."""


class ExpansionFailure(Error):
    """An expansion has no value; the reason was shown. A script ends."""


@managed
class Variable:
    """A variable. One that is exported or read-only may have no value yet."""

    value: Text
    is_set: bool
    exported: bool
    fixed: bool


@managed
class Saved:
    """What a variable was before a function made it local, or a command had it assigned."""

    name: Text
    variable: Variable | None


@managed
class Options:
    """What `set` switches."""

    exit_on_error: bool = False
    unset_is_error: bool = False
    trace: bool = False
    no_globs: bool = False
    keep_files: bool = False
    export_all: bool = False
    no_run: bool = False
    verbose: bool = False

    def flags(self) -> Text:
        """What `$-` shows."""
        result = ByteBuffer()
        write_text(result, "a" if self.export_all else "")
        write_text(result, "e" if self.exit_on_error else "")
        write_text(result, "f" if self.no_globs else "")
        write_text(result, "u" if self.unset_is_error else "")
        write_text(result, "x" if self.trace else "")
        write_text(result, "C" if self.keep_files else "")
        return result.to_text()

    def copy(self) -> Options:
        """The same, to change."""
        return Options(
            self.exit_on_error,
            self.unset_is_error,
            self.trace,
            self.no_globs,
            self.keep_files,
            self.export_all,
            self.no_run,
            self.verbose,
        )


@managed
class State:
    """Variables, parameters, functions, options, descriptors, working directory."""

    variables: Map[Text, Variable]
    functions: Map[Text, Node]
    arguments: List[Text]
    channels: List[Channel]
    options: Options
    # `$0`, for messages too.
    name: Text
    directory: Text
    status: U64
    # The status of the last command substitution.
    substituted: U64
    # `$$` and `$!`; 0: none.
    number: U64
    background: U64
    line: U64
    # What `trap` says, by signal; an empty action: the signal is ignored. 0 is the end of the shell.
    traps: Map[U64, Text]
    aliases: Map[Text, Text]
    # Permissions that new files do not get.
    mask: U64
    # Bytes of memory and handles that programs get at most, as `ulimit` says; 0: nothing was said.
    most_memory: U64
    most_handles: U64
    # The variables that functions made local, innermost last; and how many belong to callers.
    locals: List[Saved]
    function_depth: U64
    interactive: bool

    def __init__(self) -> None:
        self.variables = Map[Text, Variable]()
        self.functions = Map[Text, Node]()
        self.arguments = List[Text]()
        self.channels = List[Channel]()
        for _ in U64.range(DESCRIPTORS):
            self.channels.append(closed_channel())
        self.options = Options()
        self.name = Text("sh")
        self.directory = Text("/")
        self.status = U64(0)
        self.substituted = U64(0)
        self.number = U64(1)
        self.background = U64(0)
        self.line = U64(0)
        self.traps = Map[U64, Text]()
        self.aliases = Map[Text, Text]()
        self.mask = U64(MASK)
        self.most_memory, self.most_handles = U64(0), U64(0)
        self.locals = List[Saved]()
        self.function_depth = U64(0)
        self.interactive = False

    def copy(self) -> State:
        """The state of a subshell: it may change, this one stays."""
        made = State()
        for name, variable in self.variables.items():
            made.variables[name] = Variable(variable.value, variable.is_set, variable.exported, variable.fixed)
        for name, body in self.functions.items():
            made.functions[name] = body
        made.arguments.extend(self.arguments)
        made.channels.clear()
        made.channels.extend(self.channels)
        made.options = self.options.copy()
        made.name = self.name
        made.directory = self.directory
        made.status = self.status
        made.number = self.number
        made.background = self.background
        made.line = self.line
        for signal, action in self.traps.items():
            if action.length == 0:
                made.traps[signal] = action
        for name, value in self.aliases.items():
            made.aliases[name] = value
        made.mask = self.mask
        made.most_memory, made.most_handles = self.most_memory, self.most_handles
        made.function_depth = self.function_depth
        return made

    def ignored(self) -> U64:
        """The signals that are ignored, as bits."""
        bits = U64(0)
        for signal, action in self.traps.items():
            if action.length == 0:
                bits = bits | U64(1) << signal
        return bits

    # Variables.

    def find(self, name: Text) -> Variable | None:
        """The variable of this name."""
        try:
            return self.variables[name]
        except KeyMissing:
            return None

    def get(self, name: Text) -> Text | None:
        """The value of a variable; None when it is not set."""
        found = self.find(name)
        if found is None or not found.is_set:
            return None
        return found.value

    def value(self, name: str) -> Text | None:
        """`get` for a name that is known."""
        return self.get(Text(name))

    def declare(self, name: Text) -> Variable:
        """The variable of this name, made without a value if there was none."""
        found = self.find(name)
        if found is not None:
            return found
        made = Variable(Text(""), False, False, False)
        self.variables[name] = made
        return made

    def set(self, name: Text, value: Text) -> None:
        """Give a variable a value. Raises ExpansionFailure, and shows why, when it is read-only."""
        found = self.declare(name)
        if found.fixed:
            self.complain(f"{name}: is read only")
            raise ExpansionFailure
        found.value = value
        found.is_set = True
        if self.options.export_all:
            found.exported = True

    def set_named(self, name: str, value: Text) -> None:
        """`set` for a name that is known; read-only ones stay."""
        try:
            self.set(Text(name), value)
        except ExpansionFailure:
            pass

    def unset(self, name: Text) -> None:
        """Forget a variable. Raises ExpansionFailure, and shows why, when it is read-only."""
        found = self.find(name)
        if found is None:
            return
        if found.fixed:
            self.complain(f"{name}: is read only")
            raise ExpansionFailure
        self.forget(name)

    def forget(self, name: Text) -> None:
        """Remove a variable, whatever it is."""
        try:
            self.variables.pop(name)
        except KeyMissing:
            pass

    def save(self, name: Text) -> Saved:
        """Remember what a variable is."""
        found = self.find(name)
        if found is None:
            return Saved(name, None)
        return Saved(name, Variable(found.value, found.is_set, found.exported, found.fixed))

    def restore(self, saved: Saved) -> None:
        """Make a variable what it was."""
        before = saved.variable
        if before is None:
            self.forget(saved.name)
        else:
            self.variables[saved.name] = before

    # Parameters.

    def parameter(self, name: Text) -> Text | None:
        """The value of `$name`; None when it is not set. `@` and `*` are the expansion's business."""
        first = name[0]
        if 0x30 <= first <= 0x39:
            return self.positional(name)
        if name.length > 1 or (first | 0x20 >= 0x61 and first | 0x20 <= 0x7A) or first == 0x5F:
            return self.get(name)
        if name.equals("?"):
            return Text(f"{self.status}")
        if name.equals("#"):
            return Text(f"{self.arguments.length}")
        if name.equals("$"):
            return Text(f"{self.number}")
        if name.equals("!"):
            return None if self.background == 0 else Text(f"{self.background}")
        return self.options.flags()

    def positional(self, name: Text) -> Text | None:
        """`$0` and the arguments."""
        try:
            number = name.to_integer()
        except InvalidNumber:
            return None
        if number == 0:
            return self.name
        if number > I64(self.arguments.length):
            return None
        return self.arguments[U64(number) - 1]

    # Output.

    def complain(self, problem: str) -> None:
        """Show what is wrong on standard error."""
        text = ByteBuffer()
        if self.interactive:
            write_text(text, f"{self.name}: ")
        else:
            write_text(text, f"{self.name}: {self.line}: ")
        write_text(text, problem)
        write_text(text, "\n")
        self.show_error(text)

    def show_error(self, text: ByteBuffer) -> None:
        """Write to standard error; where that is not possible there is nobody to tell."""
        try:
            self.channels[2].write(text.content())
        except Error:
            pass

    def absolute(self, path: Text) -> Text:
        """A path from the root on."""
        if path.length > 0 and path[0] == 0x2F:
            return path
        if self.directory.equals("/"):
            return Text(f"/{path}")
        return Text(f"{self.directory}/{path}")


def standard_channels(state: State) -> None:
    """Take the streams that the program was given."""
    for number in U64.range(3):
        state.channels[number] = Channel(programs.standard_stream(number), False)


def byte_text(byte: U8) -> Text:
    """A text of one byte."""
    buffer = ByteBuffer()
    buffer.append(byte)
    return buffer.to_text()
