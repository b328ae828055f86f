"""kill: end programs."""

from __future__ import annotations

from cloudos.apps.administration.access import Failed, complain, need
from cloudos.apps.administration.system_lists import list_programs
from cloudos.apps.options import Usage
from cloudos.contracts.programs import TERMINATE, Programs
from cloudos.lang import U8, U64, Error, error_code, managed, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdout
from cloudos.sdk.collections.parsing import parse_digits

# The signals of POSIX and their customary numbers.
SIGNALS = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU \
URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
LAST = 31
# Those that do not end a program on other systems: SIGCHLD to SIGTTOU, SIGURG, SIGWINCH.
HARMLESS = 0b1_1111 << 17 | 1 << 22 | 1 << 23 | 1 << 28
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
    small = name.lower()
    if small.starts_with("sig"):
        small = small.slice(U64(3), small.length)
    try:
        value = parse_digits(name.content)
        if value <= LAST:
            return value
    except InvalidNumber:
        if small.equals("exit") or small.equals("null"):
            return U64(0)
        names = Text(SIGNALS).lower().words()
        for i in U64.range(names.length):
            if names[i] == small:
                return i + 1
    print_error(f"kill: {name}: there is no such signal")
    raise Usage


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


def is_there(number: U64, group: bool) -> bool:
    """Whether a program, or one of a group, runs. Raises Failed."""
    for one in list_programs("kill"):
        if (one.group if group else one.number) == number and one.state.equals("running"):
            return True
    return False


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
    if signal == 0:
        there = is_there(number, group)
        if not there:
            print_error(f"kill: {operand}: no such program runs")
        return there
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
        print_error(f"kill: SIG{name}: programs can only be ended here, not stopped or told something")
        raise Failed
    service = Programs(need("kill", "programs", "Programs.kill"))
    status = U8(0)
    for i in U64.range(request.first, arguments.length):
        if not end_one(service, arguments[i], request.signal):
            status = U8(1)
    return status
