"""System calls

Numbers, narrow arguments, console and the call that does nothing.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import errors
from cloudos.lang import U8, U64, Array, UserPtr, data, struct, zeroed
from cloudos.sdk import system
from tests.conformance.support import BAD_ARGUMENT, BAD_HANDLE, BAD_SYSTEM_CALL, CALLS, attempt

_write = attempt("console_write")
ZERO = U64(0)
NUMBER_OF_CALLS = U64(len(CALLS))
EXIT = U64(CALLS["process_exit"].number)
PANIC = U64(CALLS["process_panic"].number)
HIGHEST_ERROR = max(code for code, _ in errors.numbered())


@struct
class Numbers:
    """System calls, by number."""

    numbers: Array[U64, Literal[64]] = zeroed()
    count: U64 = U64(0)


FIRST_ARGUMENTS = Numbers()
for _call in CALLS.values():
    if list(_call.needs)[:1] == list(_call.parameters)[:1] != []:
        FIRST_ARGUMENTS.numbers[FIRST_ARGUMENTS.count] = U64(_call.number)
        FIRST_ARGUMENTS.count += 1


def the_null_call_gives_zero() -> None:
    """system_null succeeds with value 0."""
    for _ in U64.range(100):
        assert system.system_null() == 0, "0"


def a_number_beyond_the_last_is_no_system_call() -> None:
    """The first number after the last system call is BadSystemCall."""
    error, value = system.enter(NUMBER_OF_CALLS, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)
    assert error == BAD_SYSTEM_CALL and value == 0, "the next"


def all_64_bits_of_a_number_count() -> None:
    """A number of which only the low 32 bits name a system call is BadSystemCall."""
    for number in U64.range(1, 40):
        error, _ = system.enter(number << 32, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)
        assert error == BAD_SYSTEM_CALL, "high bits alone"
        error, _ = system.enter(number << 32 | 1, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)
        assert error == BAD_SYSTEM_CALL, "high bits too"
    error, _ = system.enter(U64(0xFFFF_FFFF_FFFF_FFFF), ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)
    assert error == BAD_SYSTEM_CALL, "all bits"


def a_narrow_argument_is_not_cut_off() -> None:
    """An argument that does not fit the declared width is BadArgument: process_exit(256) does not end the process."""
    error, _ = system.enter(EXIT, U64(256), ZERO, ZERO, ZERO, ZERO, ZERO)
    assert error == BAD_ARGUMENT, "256"
    error, _ = system.enter(EXIT, U64(1 << 63), ZERO, ZERO, ZERO, ZERO, ZERO)
    assert error == BAD_ARGUMENT, "a high bit"
    error, _ = system.enter(PANIC, U64(1 << 32), ZERO, ZERO, ZERO, ZERO, ZERO)
    assert error == BAD_ARGUMENT, "33 bits"


def every_error_has_a_known_number() -> None:
    """Whatever is wrong with the arguments, the error is one of the declared ones, and comes with value 0."""
    for number in U64.range(11, NUMBER_OF_CALLS):
        for bits in U64.range(4):
            argument = bits * 0x2222_2222_2222_2223
            error, value = system.enter(number, U64(7), argument, argument, argument, argument, argument)
            assert error <= HIGHEST_ERROR, "known"
            assert error == 0 or value == 0, "no value"


def calls_on_objects_refuse_a_bad_handle() -> None:
    """Every system call whose first argument is a handle says BadHandle to a number that is none, before it looks at
    the others."""
    for index in U64.range(FIRST_ARGUMENTS.count):
        number = FIRST_ARGUMENTS.numbers[index]
        for argument in U64.range(3):
            bad = argument * 0x5555_5555_5555_5555
            error, _ = system.enter(number, U64(77), bad, bad, bad, bad, bad)
            assert error == BAD_HANDLE, "first of all"


def the_console_has_three_streams() -> None:
    """console_write to a stream other than 1 to 3 is BadArgument."""
    text = data(b"x")
    address = text.pointer.address.value
    assert _write(U64(0), address, U64(1)) == BAD_ARGUMENT, "0"
    assert _write(U64(4), address, U64(1)) == BAD_ARGUMENT, "4"
    assert _write(U64(1 << 32), address, U64(1)) == BAD_ARGUMENT, "high bits"


def writing_nothing_writes_nothing() -> None:
    """console_write of length 0 gives 0."""
    assert system.console_write(U64(2), UserPtr.at(U8, U64(0x40_0000)), U64(0)) == 0, "0"


def reading_at_the_end_gives_zero() -> None:
    """console_read gives 0 at the end of the input, again and again."""
    address = system.memory_map(U64(4096))
    for _ in U64.range(3):
        assert system.console_read(UserPtr.at(U8, address), U64(10)) == 0, "the end"


def reading_nothing_gives_zero() -> None:
    """console_read of length 0 gives 0."""
    assert system.console_read(UserPtr.at(U8, system.memory_map(U64(4096))), U64(0)) == 0, "0"
