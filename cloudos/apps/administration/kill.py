"""kill: end programs."""

from __future__ import annotations

from cloudos.apps.administration.access import Failed, complain, need
from cloudos.apps.options import Usage
from cloudos.apps.signals import HARMLESS, LAST, SIGNALS, signal_of
from cloudos.contracts.programs import TERMINATE, Programs
from cloudos.lang import U8, U64, Error, error_code, managed, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdout
from cloudos.sdk.collections.parsing import parse_digits

ENDED_BY = 128  # an exit status is this and the number of the signal
DASH = ord("-")
SMALL_A = ord("a")
USAGE = "usage: kill [-s NAME | -NAME | -N] PID...\n       kill -l [STATUS]"


@managed
class Request:
    """What the command line asks for: the signal, and the number of the first operand."""

    signal: U64
    first: U64


def signal_number(name: Text) -> U64:
    """The number of a signal, given by number or by name in any case, with or without SIG. Raises Usage."""
    found = signal_of(name)
    if found is None:
        print_error(f"kill: {name}: there is no such signal")
        raise Usage
    return found


def request_of(arguments: List[Text]) -> Request:
    """Read the options. Raises Usage."""
    signal = U64(TERMINATE)
    first = U64(1)
    if arguments.length > 1 and arguments[1].length > 1 and arguments[1][0] == DASH:
        option = arguments[1]
        first = U64(2)
        if option.equals("-s"):
            if arguments.length < 3:
                print_error(USAGE)
                raise Usage
            signal = signal_number(arguments[2])
            first = U64(3)
        elif option.starts_with("-s") and option[2] < SMALL_A:
            signal = signal_number(option.slice(U64(2), option.length))
        elif not option.equals("--"):
            signal = signal_number(option.slice(U64(1), option.length))
    if first < arguments.length and first > 1 and arguments[first].equals("--") and not arguments[1].equals("--"):
        first += 1
    return Request(signal, first)


def list_signals(arguments: List[Text]) -> U8:
    """`kill -l`: the names, or of each operand the name of its signal, or the number of the name. Raises Usage."""
    names = Text(SIGNALS).words()
    if arguments.length == 2:
        for i in U64.range(names.length):
            write_text(stdout, f"{names[i]}")
            write_text(stdout, " " if i + 1 < names.length and (i + 1) % 16 != 0 else "\n")
        return U8(0)
    for i in U64.range(2, arguments.length):
        operand = arguments[i]
        try:
            value = parse_digits(operand.content)
            if value > ENDED_BY:
                value -= ENDED_BY
            if value == 0 or value > LAST:
                print_error(f"kill: {operand}: there is no such signal")
                raise Usage
            write_text(stdout, f"{names[value - 1]}\n")
        except InvalidNumber:
            write_text(stdout, f"{signal_number(operand)}\n")
    return U8(0)


def end_one(service: Programs, operand: Text, signal: U64) -> bool:
    """End what an operand names; whether that worked, and it says so if not."""
    group = operand.length > 1 and operand[0] == DASH
    digits = operand.slice(U64(1), operand.length) if group else operand
    try:
        number = parse_digits(digits.content)
    except InvalidNumber:
        print_error(f"kill: {operand}: not a program's number")
        return False
    if number == 0 or (group and number == 1):
        print_error(f"kill: {operand}: one's own group, or all programs, cannot be named")
        return False
    try:
        service.kill(number, group, signal)
        return True
    except Error:
        code = error_code()
        if code == 4:
            print_error(f"kill: {operand}: no such program runs")
        else:
            complain("kill", f"{operand}", code)
        return False


def kill(arguments: List[Text]) -> U8:
    """End programs by number, groups by negative number. 1: some could not be ended."""
    if arguments.length > 1 and arguments[1].equals("-l"):
        return list_signals(arguments)
    request = request_of(arguments)
    if request.first >= arguments.length:
        print_error(USAGE)
        raise Usage
    if U64(HARMLESS).bit(request.signal):
        name = Text(SIGNALS).words()[request.signal - 1]
        print_error(f"kill: SIG{name}: programs are not told this")
        raise Failed
    service = Programs(need("kill", "programs", "Programs.kill"))
    status = U8(0)
    for i in U64.range(request.first, arguments.length):
        if not end_one(service, arguments[i], request.signal):
            status = U8(1)
    return status
