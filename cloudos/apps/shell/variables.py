"""Builtins over variables, arguments and options."""

from __future__ import annotations

from cloudos.abi.errors import Denied
from cloudos.apps.shell.characters import (
    BACKSLASH,
    BIG_C,
    COLON,
    EQUALS,
    NEWLINE,
    SMALL_A,
    SMALL_E,
    SMALL_F,
    SMALL_N,
    SMALL_O,
    SMALL_U,
    SMALL_V,
    SMALL_X,
    is_name,
    name_length,
)
from cloudos.apps.shell.context import FAILED, Context
from cloudos.apps.shell.expansion import contains, is_space
from cloudos.apps.shell.output import quoted, say
from cloudos.apps.shell.state import ExpansionFailure, Options, State, byte_text
from cloudos.contracts.errors import Interrupted
from cloudos.contracts.programs import INTERRUPT
from cloudos.lang import I64, U8, U64, Error
from cloudos.sdk import ByteBuffer, InvalidNumber, List, Text

MINUS = ord("-")
PLUS = ord("+")


def bad_name(context: Context, fields: List[Text], name: Text) -> None:
    """Show that a name is none. Raises ExpansionFailure."""
    context.fail(f"{fields[0]}: {name}: bad variable name", U64(FAILED))
    raise ExpansionFailure


def declare(context: Context, fields: List[Text], fixed: bool) -> None:
    """`export` and `readonly`. Raises ExpansionFailure."""
    state = context.state
    shown = fields.length == 1 or (fields.length == 2 and fields[1].equals("-p"))
    if shown:
        show_declared(state, fixed)
        return
    for number in U64.range(1, fields.length):
        field = fields[number]
        if number == 1 and field.equals("--"):
            continue
        length = name_length(field.content)
        if length == 0 or (length < field.length and field[length] != EQUALS):
            bad_name(context, fields, field)
        name = field.slice(U64(0), length)
        if length < field.length:
            state.set(name, field.slice(length + 1, field.length))
        variable = state.declare(name)
        if fixed:
            variable.fixed = True
        else:
            variable.exported = True


def show_declared(state: State, fixed: bool) -> None:
    """All exported or read-only variables, as the shell reads them back."""
    command = Text("readonly" if fixed else "export")
    for name in sorted_names(state):
        variable = state.declare(name)
        if not (variable.fixed if fixed else variable.exported):
            continue
        if variable.is_set:
            say(state, f"{command} {name}={quoted(variable.value)}")
        else:
            say(state, f"{command} {name}")


def sorted_names(state: State) -> List[Text]:
    """The names of all variables."""
    names = List[Text]()
    for name in state.variables:
        names.append(name)
    names.sort()
    return names


def unset(context: Context, fields: List[Text]) -> None:
    """`unset [-v|-f] name …`. Raises ExpansionFailure."""
    state = context.state
    functions = False
    for number in U64.range(1, fields.length):
        field = fields[number]
        if number == 1 and (field.equals("-v") or field.equals("-f") or field.equals("--")):
            functions = field.equals("-f")
        elif functions:
            if field in state.functions:
                state.functions.pop(field)
        elif not is_name(field.content):
            bad_name(context, fields, field)
        else:
            state.unset(field)


def local(context: Context, fields: List[Text]) -> None:
    """`local name[=value] …`: variables that are put back when the function ends. Raises ExpansionFailure."""
    state = context.state
    if state.function_depth == 0:
        context.fail("local: not in a function", U64(FAILED))
        raise ExpansionFailure
    for number in U64.range(1, fields.length):
        field = fields[number]
        length = name_length(field.content)
        if length == 0 or (length < field.length and field[length] != EQUALS):
            bad_name(context, fields, field)
        name = field.slice(U64(0), length)
        state.locals.append(state.save(name))
        if length < field.length:
            state.set(name, field.slice(length + 1, field.length))


def shift(context: Context, fields: List[Text]) -> None:
    """`shift [n]`. Raises ExpansionFailure."""
    state = context.state
    count = I64(1)
    if fields.length > 1:
        try:
            count = fields[1].to_integer()
        except InvalidNumber:
            count = I64(-1)
    if count < 0:
        context.fail(f"shift: Illegal number: {fields[1]}", U64(FAILED))
        raise ExpansionFailure
    if count > I64(state.arguments.length):
        context.fail("shift: can't shift that many", U64(FAILED))
        raise ExpansionFailure
    state.arguments = state.arguments.slice(U64(count), state.arguments.length)


def set_options(context: Context, fields: List[Text]) -> None:
    """`set [-efuxaCnv] [-o name] [--] [argument …]`. Raises ExpansionFailure."""
    state = context.state
    if fields.length == 1:
        for name in sorted_names(state):
            variable = state.declare(name)
            if variable.is_set:
                say(state, f"{name}={quoted(variable.value)}")
        return
    at = U64(1)
    while at < fields.length:
        field = fields[at]
        if field.equals("--"):
            state.arguments = fields.slice(at + 1, fields.length)
            return
        if field.length < 2 or (field[0] != MINUS and field[0] != PLUS):
            break
        at = apply_flags(context, fields, at)
    if at < fields.length:
        state.arguments = fields.slice(at, fields.length)


def apply_flags(context: Context, fields: List[Text], at: U64) -> U64:
    """Switch what one argument of `set` says; the position of the next argument. Raises ExpansionFailure."""
    field = fields[at]
    on = field[0] == MINUS
    behind = at + 1
    for position in U64.range(1, field.length):
        known = True
        if field[position] == SMALL_O:
            if behind == fields.length:
                return behind
            known = switch(context.state.options, letter_of(fields[behind]), on)
            behind += 1
        else:
            known = switch(context.state.options, field[position], on)
        if not known:
            context.fail(f"set: Illegal option {field}", U64(FAILED))
            raise ExpansionFailure
    return behind


def letter_of(name: Text) -> U8:
    """The letter of an option by its long name; 0 when it is none."""
    if name.equals("errexit"):
        return U8(SMALL_E)
    if name.equals("nounset"):
        return U8(SMALL_U)
    if name.equals("xtrace"):
        return U8(SMALL_X)
    if name.equals("noglob"):
        return U8(SMALL_F)
    if name.equals("noclobber"):
        return U8(BIG_C)
    if name.equals("allexport"):
        return U8(SMALL_A)
    return U8(SMALL_N) if name.equals("noexec") else U8(SMALL_V) if name.equals("verbose") else U8(0)


def switch(options: Options, letter: U8, on: bool) -> bool:
    """Switch an option; False when there is none of this letter."""
    match letter:
        case 0x65:
            options.exit_on_error = on
        case 0x75:
            options.unset_is_error = on
        case 0x78:
            options.trace = on
        case 0x66:
            options.no_globs = on
        case 0x43:
            options.keep_files = on
        case 0x61:
            options.export_all = on
        case 0x6E:
            options.no_run = on
        case 0x76:
            options.verbose = on
        case _:
            return False
    return True


def read(context: Context, fields: List[Text]) -> None:
    """`read [-r] [-p prompt] name …`. Raises ExpansionFailure, and Abandoned for the interrupt key."""
    state = context.state
    raw = False
    at = U64(1)
    while at < fields.length and fields[at].length > 1 and fields[at][0] == MINUS:
        option = fields[at]
        at += 1
        if option.equals("--"):
            break
        if option.equals("-p") and at < fields.length:
            prompt = ByteBuffer()
            prompt.write(fields[at].content)
            state.show_error(prompt)
            at += 1
        elif option.equals("-r"):
            raw = True
        else:
            context.fail(f"read: Illegal option {option}", U64(FAILED))
            return
    if at == fields.length:
        context.fail("read: arg count", U64(FAILED))
        return
    for number in U64.range(at, fields.length):
        if not is_name(fields[number].content):
            bad_name(context, fields, fields[number])
    line, marks = ByteBuffer(), ByteBuffer()
    complete = False
    try:
        complete = read_logical_line(state, raw, line, marks)
    except Denied:
        context.fail("read: cannot read", U64(1))
    except Interrupted:
        state.status = U64(128 + INTERRUPT)
        context.check_interrupt()
    except Error:
        pass
    give_out(state, line, marks, fields.slice(at, fields.length))
    state.status = U64(0) if complete else U64(1)


def read_logical_line(state: State, raw: bool, line: ByteBuffer, marks: ByteBuffer) -> bool:
    """A line without its newline, joined with the next where a backslash ends it; the marks say which bytes were
    escaped. False: the input ended before a newline."""
    while True:
        piece = ByteBuffer()
        state.channels[0].read_line(piece)
        length = piece.length
        ended = length == 0 or piece[length - 1] != NEWLINE
        if not ended:
            length -= 1
        joined = False
        at = U64(0)
        while at < length:
            escaped = piece[at] == BACKSLASH and not raw
            if escaped and at + 1 == length:
                joined = not ended
                break
            if escaped:
                at += 1
            if piece[at] != 0:
                line.append(piece[at])
                marks.append(U8(1) if escaped else U8(0))
            at += 1
        if not joined:
            return not ended


def give_out(state: State, line: ByteBuffer, marks: ByteBuffer, names: List[Text]) -> None:
    """Split a line at IFS into variables; the last gets all that is left. Raises ExpansionFailure."""
    value = state.value("IFS")
    separators = Text(" \t\n") if value is None else value
    at = skip_space(line, marks, U64(0), separators)
    for number in U64.range(names.length):
        field = ByteBuffer()
        if number + 1 == names.length:
            rest_of_line(line, marks, at, separators, field)
        else:
            while at < line.length and not separates(line, marks, at, separators):
                field.append(line[at])
                at += 1
            at = skip_space(line, marks, at, separators)
            if at < line.length and separates(line, marks, at, separators) and not ended_by_space(line, at):
                at = skip_space(line, marks, at + 1, separators)
        state.set(names[number], field.to_text())


def ended_by_space(line: ByteBuffer, at: U64) -> bool:
    """Whether the byte there is white space; what separates fields besides that is taken once."""
    return is_space(line[at])


def separates(line: ByteBuffer, marks: ByteBuffer, at: U64, separators: Text) -> bool:
    """Whether fields are split at a byte."""
    return marks[at] == 0 and contains(separators, line[at])


def skip_space(line: ByteBuffer, marks: ByteBuffer, start: U64, separators: Text) -> U64:
    """The position behind white space that separates."""
    at = start
    while at < line.length and separates(line, marks, at, separators) and is_space(line[at]):
        at += 1
    return at


def rest_of_line(line: ByteBuffer, marks: ByteBuffer, start: U64, separators: Text, into: ByteBuffer) -> None:
    """What the last variable gets: all that is left, without separators that end it."""
    stop = line.length
    while stop > start and separates(line, marks, stop - 1, separators) and is_space(line[stop - 1]):
        stop -= 1
    # One field and what ends it is that field alone; more fields stay as they are.
    only = start
    while only < stop and not separates(line, marks, only, separators):
        only += 1
    behind = skip_space(line, marks, only, separators)
    if behind < stop and separates(line, marks, behind, separators):
        behind = skip_space(line, marks, behind + 1, separators)
        if behind >= stop:
            stop = only
    into.write(line.content()[start:stop])


def getopts(context: Context, fields: List[Text]) -> None:
    """`getopts options name [argument …]`. OPTIND counts arguments; OPTOFF, the shell's own, letters in one."""
    state = context.state
    if fields.length < 3:
        context.fail("getopts: Usage: getopts optstring var [arg...]", U64(FAILED))
        return
    arguments = fields.slice(U64(3), fields.length) if fields.length > 3 else state.arguments
    index = small_number(state.value("OPTIND"), U64(1))
    offset = small_number(state.value("OPTOFF"), U64(1)) if index > 0 else U64(1)
    index = max(index, U64(1))
    ended = index > arguments.length
    if not ended and offset == 1:
        word = arguments[index - 1]
        ended = word.length < 2 or word[0] != MINUS
        if word.equals("--"):
            ended = True
            index += 1
    if ended:
        state.set_named("OPTIND", Text(f"{index}"))
        state.set_named("OPTOFF", Text("1"))
        state.set(fields[2], Text("?"))
        state.status = U64(1)
        return
    take_option(context, fields, arguments, index, offset)


def small_number(value: Text | None, default: U64) -> U64:
    """A number that a variable holds."""
    if value is None:
        return default
    try:
        number = value.to_integer()
        return U64(number) if 0 < number < 100000 else default
    except InvalidNumber:
        return default


def take_option(context: Context, fields: List[Text], arguments: List[Text], index: U64, offset: U64) -> None:
    """One option letter of `getopts`, with its argument."""
    state = context.state
    word = arguments[index - 1]
    options = fields[1]
    quiet = options.starts_with(":")
    letter = byte_text(word[offset])
    place = options.find(f"{letter}", U64(1) if quiet else U64(0))
    last = offset + 1 == word.length
    value = letter
    state.unset(Text("OPTARG"))
    if place is None or word[offset] == COLON:
        value = Text("?")
        if quiet:
            state.set_named("OPTARG", letter)
        else:
            state.complain(f"Illegal option -{letter}")
    elif place + 1 < options.length and options[place + 1] == COLON:
        if not last:
            state.set_named("OPTARG", word.slice(offset + 1, word.length))
        elif index < arguments.length:
            state.set_named("OPTARG", arguments[index])
            index += 1
        elif quiet:
            state.set_named("OPTARG", letter)
            value = Text(":")
        else:
            state.complain(f"No arg for -{letter} option")
            value = Text("?")
        last = True
    state.set_named("OPTIND", Text(f"{index + 1}" if last else f"{index}"))
    state.set_named("OPTOFF", Text("1") if last else Text(f"{offset + 1}"))
    state.set(fields[2], value)
