"""Running other programs: found as the shell finds them, with this program's streams and environment."""

from __future__ import annotations

from cloudos.abi.errors import Denied, NotFound
from cloudos.apps.inputs import reason
from cloudos.contracts.errors import BadProgram
from cloudos.contracts.files import FILE, READ
from cloudos.lang import U8, U64, Error, error_code, managed
from cloudos.sdk import List, Text, print_error, programs, stdout, variable_names
from cloudos.sdk.environment import value_of
from cloudos.sdk.filesystem import absolute, status
from cloudos.sdk.programs import Launch

EXECUTABLE = 0o111
CANNOT_RUN = 126
NOT_FOUND = 127


@managed
class Environment:
    """Variables for a program."""

    names: List[Text]
    values: List[Text]

    def set(self, name: Text, value: Text) -> None:
        """Give a variable a value."""
        for i in U64.range(self.names.length):
            if self.names[i] == name:
                self.values[i] = value
                return
        self.names.append(name)
        self.values.append(value)

    def unset(self, name: Text) -> None:
        """Forget a variable."""
        for i in U64.range(self.names.length):
            if self.names[i] == name:
                self.names.remove_at(i)
                self.values.remove_at(i)
                return

    def get(self, name: str) -> Text | None:
        """The value of a variable."""
        for i in U64.range(self.names.length):
            if self.names[i].equals(name):
                return self.values[i]
        return None


def own_environment() -> Environment:
    """The variables of this program."""
    result = Environment(List[Text](), List[Text]())
    for name in variable_names():
        value = value_of(name)
        if value is not None:
            result.set(name, value)
    return result


def find_program(name: Text, search: Text | None) -> Text | None:
    """The absolute path of what a command's name means; None when there is none."""
    if name.find("/") is not None:
        return absolute(name)
    path = Text("/bin") if search is None else search
    for directory in path.split(":"):
        candidate = absolute(Text(f"{directory}/{name}") if directory.length > 0 else name)
        try:
            found = status(candidate)
            if found.kind == FILE and found.mode & EXECUTABLE != 0:
                return candidate
        except Error:
            pass
    return None


@managed
class Runner:
    """Runs commands for the utility of a name."""

    name: Text
    environment: Environment
    # Whether the commands read what this program reads, or nothing.
    shares_input: bool

    def run(self, fields: List[Text]) -> U8:
        """Run a command and wait for it; its exit status. 126, 127, after saying why, when it cannot be run."""
        stdout.flush()
        path = find_program(fields[0], self.environment.get("PATH")) if fields[0].length > 0 else None
        if path is None:
            print_error(f"{self.name}: '{fields[0]}': No such file or directory")
            return U8(NOT_FOUND)
        try:
            return self.launch(path, fields)
        except BadProgram:
            pass
        except NotFound:
            print_error(f"{self.name}: '{fields[0]}': No such file or directory")
            return U8(NOT_FOUND)
        except Denied:
            print_error(f"{self.name}: '{fields[0]}': Permission denied")
            return U8(CANNOT_RUN)
        except Error:
            print_error(f"{self.name}: '{fields[0]}': {reason(error_code())}")
            return U8(CANNOT_RUN)
        # It may be a script.
        script = List[Text]()
        script.append(Text("sh"))
        script.append(path)
        script.extend(fields.slice(U64(1), fields.length))
        try:
            return self.launch(Text("/bin/sh"), script)
        except Error:
            print_error(f"{self.name}: '{fields[0]}': {reason(error_code())}")
            return U8(CANNOT_RUN)

    def launch(self, path: Text, fields: List[Text]) -> U8:
        """Run the program at a path. Raises what starting it raises."""
        launch = Launch(path)
        for field in fields:
            launch.add_argument(field)
        for i in U64.range(self.environment.names.length):
            launch.add_variable(self.environment.names[i], self.environment.values[i])
        nothing = U64(0)
        if self.shares_input:
            give(launch, "stdin", programs.standard_stream(U64(0)))
        else:
            nothing = programs.open_stream(Text("/dev/null"), U64(READ), U64(0))
            give(launch, "stdin", nothing)
        give(launch, "stdout", programs.standard_stream(U64(1)))
        give(launch, "stderr", programs.standard_stream(U64(2)))
        _, group = programs.own()
        launch.start(group)
        result = U8.truncate(launch.wait())
        if nothing != 0:
            programs.close(nothing)
        return result


def give(launch: Launch, name: str, stream: U64) -> None:
    """Give a program a stream, if there is one. Raises what `Launch.give` does."""
    if stream != 0:
        launch.give(name, stream)


def runner(name: str, shares_input: bool) -> Runner:
    """A runner with this program's environment."""
    return Runner(Text(name), own_environment(), shares_input)
