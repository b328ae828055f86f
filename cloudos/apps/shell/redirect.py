"""Redirections: what the descriptors of a command refer to."""

from __future__ import annotations

from cloudos.abi.errors import Denied, NotFound
from cloudos.apps.shell.channel import Channel, closed_channel, document
from cloudos.apps.shell.characters import all_digits
from cloudos.apps.shell.context import Runner
from cloudos.apps.shell.environment import file_status
from cloudos.apps.shell.expansion import Expander
from cloudos.apps.shell.state import DESCRIPTORS, State
from cloudos.apps.shell.tree import Direction, Redirection
from cloudos.contracts.errors import Exists, IsDirectory
from cloudos.contracts.files import APPEND, CREATE, EXCLUSIVE, FILE, READ, TRUNCATE, WRITE
from cloudos.lang import U64, Error, error_name
from cloudos.sdk import List, Text, programs

MODE = 0o666  # of files that are made


def redirect(state: State, runner: Runner, redirections: List[Redirection]) -> bool:
    """Change the descriptors of the state; False, after showing why, when one cannot be. Raises ExpansionFailure."""
    expander = Expander(state, runner)
    for one in redirections:
        if one.descriptor >= DESCRIPTORS:
            state.complain("Bad fd number")
            return False
        text = expander.text(one.target)
        if one.direction == Direction.HERE:
            state.channels[one.descriptor] = document(text.content)
        elif one.direction == Direction.COPY:
            if not copy_descriptor(state, one.descriptor, text):
                return False
        elif not open_target(state, one, text):
            return False
    return True


def copy_descriptor(state: State, descriptor: U64, source: Text) -> bool:
    """`n>&m` and `n>&-`."""
    if source.equals("-"):
        state.channels[descriptor] = closed_channel()
        return True
    number = U64(source[0]) - 0x30 if source.length == 1 and all_digits(source.content) else U64(DESCRIPTORS)
    if number >= DESCRIPTORS or not state.channels[number].is_open:
        state.complain(f"{source}: Bad file descriptor")
        return False
    state.channels[descriptor] = state.channels[number]
    return True


def open_target(state: State, one: Redirection, name: Text) -> bool:
    """Open a file for a descriptor; False, after showing why, when that is not possible."""
    flags = flags_of(state, one.direction, name)
    reading = flags & CREATE == 0
    try:
        handle = programs.open_stream(state.absolute(name), flags, U64(MODE) & ~state.mask)
        state.channels[one.descriptor] = Channel(handle, True)
        return True
    except NotFound:
        state.complain(
            f"cannot {'open' if reading else 'create'} {name}: No such file" if name.length > 0 else "no name"
        )
    except Denied:
        state.complain(f"cannot {'open' if reading else 'create'} {name}: Permission denied")
    except IsDirectory:
        state.complain(f"cannot create {name}: Is a directory")
    except Exists:
        state.complain(f"cannot create {name}: File exists")
    except Error:
        state.complain(f"cannot open {name}: {error_name()}")
    return False


def flags_of(state: State, direction: Direction, name: Text) -> U64:
    """How a file is opened."""
    match direction:
        case Direction.READ:
            return U64(READ)
        case Direction.APPEND:
            return U64(WRITE | CREATE | APPEND)
        case Direction.BOTH:
            return U64(READ | WRITE | CREATE)
        case Direction.WRITE:
            if state.options.keep_files:
                found = file_status(state.absolute(name))
                if found is None or found.kind == FILE:
                    return U64(WRITE | CREATE | EXCLUSIVE)
            return U64(WRITE | CREATE | TRUNCATE)
        case _:
            return U64(WRITE | CREATE | TRUNCATE)
