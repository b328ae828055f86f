"""Programs: how they are found, started with the descriptors of a state, and waited for."""

from __future__ import annotations

from cloudos.abi.errors import Denied, NotFound
from cloudos.apps.shell.builtin_names import standard_path
from cloudos.apps.shell.channel import Channel
from cloudos.apps.shell.context import Context
from cloudos.apps.shell.environment import exists, is_directory, is_program
from cloudos.apps.shell.state import MASK, State
from cloudos.contracts.errors import BadProgram, NoSpace
from cloudos.contracts.files import CREATE, EXCLUSIVE, READ, WRITE
from cloudos.lang import I64, U8, U64, Error, error_name, managed
from cloudos.sdk import ByteBuffer, List, Text, programs
from cloudos.sdk.programs import Launch

NOT_FOUND = 127
NOT_EXECUTABLE = 126
IN_PIPE = 4000  # bytes that a pipe takes without a reader
ATTEMPTS = 1000


class ScriptFound(Error):
    """The file is no program; it may be a script for the shell."""


@managed
class Sinks:
    """Memory that programs write to: each through a pipe, from which the shell fetches what they wrote."""

    memories: List[Channel]
    readers: List[Channel]
    writers: List[Channel]
    # Further memories get files: one pipe at a time can be read without a danger that the other is full.
    file_memories: List[Channel]
    files: List[Channel]

    def __init__(self) -> None:
        self.memories = List[Channel]()
        self.readers = List[Channel]()
        self.writers = List[Channel]()
        self.file_memories = List[Channel]()
        self.files = List[Channel]()

    def outside(self, channel: Channel) -> Channel:
        """What a program is given for a channel. Raises what `make_pipe` does, NoSpace."""
        if channel.memory is None:
            return channel
        for number in U64.range(self.files.length):
            if self.file_memories[number] is channel:
                return self.files[number]
        for number in U64.range(self.memories.length):
            if self.memories[number] is channel:
                return self.writers[number]
        if self.memories.length > 0:
            file = temporary_file()
            if file is None:
                raise NoSpace
            self.file_memories.append(channel)
            self.files.append(file)
            return file
        reading, writing = programs.make_pipe()
        self.memories.append(channel)
        self.readers.append(Channel(reading, True))
        self.writers.append(Channel(writing, True))
        return self.writers[self.writers.length - 1]

    def collect(self) -> None:
        """Fetch all that is written, until every program that writes has ended or closed its end."""
        for writer in self.writers:
            writer.close()
        for number in U64.range(self.memories.length):
            memory = self.memories[number].memory
            assert memory is not None
            try:
                self.readers[number].drain(memory)
            except Error:
                pass
            self.readers[number].close()

    def finish(self) -> None:
        """Fetch what is in files: the programs have ended."""
        for number in U64.range(self.files.length):
            memory = self.file_memories[number].memory
            assert memory is not None
            try:
                programs.SYSTEM.seek(self.files[number].handle, I64(0), U64(0))
                self.files[number].drain(memory)
            except Error:
                pass
            self.files[number].close()


def find_program(state: State, name: Text) -> Text | None:
    """The absolute path of the program that a command's name means; None when there is none."""
    if name.find("/") is not None:
        path = state.absolute(name)
        return path if exists(path) else None
    value = state.value("PATH")
    search = standard_path() if value is None else value
    found: Text | None = None
    for directory in search.split(":"):
        path = state.absolute(Text(f"{directory}/{name}") if directory.length > 0 else name)
        if is_program(path):
            return path
        if found is None and exists(path) and not is_directory(path):
            found = path
    return found


def prepare(context: Context, state: State, fields: List[Text], sinks: Sinks) -> Launch | None:
    """A program with the descriptors and exported variables of a state, to be started by `begin`; None, after showing
    why, when that is not possible.

    Raises ScriptFound for a file that is no program.
    """
    path = find_program(state, fields[0]) if fields[0].length > 0 else None
    if path is None:
        context.fail(f"{fields[0]}: not found", U64(NOT_FOUND))
        return None
    try:
        launch = Launch(path, state.most_memory, state.most_handles)
        describe(launch, state, fields, sinks)
        return launch
    except NotFound:
        context.fail(f"{fields[0]}: not found", U64(NOT_FOUND))
    except Denied:
        context.fail(f"{fields[0]}: Permission denied", U64(NOT_EXECUTABLE))
    except BadProgram:
        raise ScriptFound
    except Error:
        context.fail(f"{fields[0]}: cannot run: {error_name()}", U64(NOT_EXECUTABLE))
    return None


def begin(context: Context, launch: Launch, group: U64) -> bool:
    """Start a program that was prepared; False, after showing why, when it cannot be."""
    try:
        launch.start(group)
        return True
    except Error:
        context.fail(f"cannot run: {error_name()}", U64(NOT_EXECUTABLE))
        return False


def describe(launch: Launch, state: State, fields: List[Text], sinks: Sinks) -> None:
    """Give a program its arguments, variables and streams. Raises what `Program` does."""
    for field in fields:
        launch.add_argument(field)
    for name, variable in state.variables.items():
        if variable.exported and variable.is_set and not name.equals("PWD"):
            launch.add_variable(name, variable.value)
    launch.add_variable(Text("PWD"), state.directory)
    if state.mask != MASK:
        launch.add_variable(Text("UMASK"), Text(f"{state.mask:04o}"))
    give_streams(launch, state, sinks)


def give_streams(launch: Launch, state: State, sinks: Sinks) -> None:
    """Give a program the descriptors 0, 1 and 2. Raises as `describe`."""
    give(launch, "stdin", readable(state.channels[0]))
    give(launch, "stdout", sinks.outside(state.channels[1]))
    give(launch, "stderr", sinks.outside(state.channels[2]))


def give(launch: Launch, name: str, channel: Channel) -> None:
    """Give a program a stream, unless it is closed. Raises what `Program.give` does."""
    if channel.handle != 0:
        launch.give(name, channel.handle)


def readable(channel: Channel) -> Channel:
    """The channel, as one that a program can read from: what is left in memory goes into a pipe, or a long one a file.

    From then on this shell and all programs that it starts read there, each from where the last one stopped. Raises
    what `make_pipe` and `write_all` do, NoSpace when there is no room for a file.
    """
    memory = channel.memory
    if memory is None:
        return channel
    rest = memory.content()[channel.position : memory.length]
    if rest.length > IN_PIPE:
        file = temporary_file()
        if file is None:
            raise NoSpace
        programs.write_all(file.handle, rest)
        programs.SYSTEM.seek(file.handle, I64(0), U64(0))
        channel.handle, file.owned = file.handle, False
    else:
        reading, writing = programs.make_pipe()
        writer = Channel(writing, True)
        channel.handle = reading
        programs.write_all(writing, rest)
        writer.close()
    channel.owned = True
    channel.memory = None
    return channel


def temporary_file() -> Channel | None:
    """A new file without a name; None when none can be made."""
    for number in U64.range(ATTEMPTS):
        path = Text(f"/tmp/.shell-{number}")
        try:
            made = Channel(programs.open_stream(path, U64(READ | WRITE | CREATE | EXCLUSIVE), U64(0o600)), True)
            programs.SYSTEM.remove(path.content)
            return made
        except Error:
            pass
    return None


def await_launch(launch: Launch) -> U64:
    """The exit status of a program."""
    try:
        return launch.wait()
    except Error:
        return U64(NOT_FOUND)


def has_ended(launch: Launch) -> bool:
    """Wait until a program ends or is stopped; whether it has ended. `launch.status` says how."""
    try:
        return launch.settle()
    except Error:
        launch.ended, launch.status = True, U64(NOT_FOUND)
        return True


def looks_like_script(content: Text) -> bool:
    """Whether a file that is no program may be a script: its first line has no zero byte."""
    for byte in content.content:
        if byte == U8(0):
            return False
        if byte == 0x0A:
            return True
    return True


def read_file(path: Text) -> Text | None:
    """All of the file at an absolute path; None when it cannot be read."""
    content = ByteBuffer()
    try:
        channel = Channel(programs.open_stream(path, U64(READ), U64(0)), True)
        channel.drain(content)
        return content.to_text()
    except Error:
        return None
