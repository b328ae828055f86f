"""The kernel comes up, runs a program, and says how it ended."""

from __future__ import annotations

from random import Random

import pytest

from cloudos.abi import initial, layout
from tests.sim.harness import MB, at, bundle_of, run, simulation
from tests.sim.world import board, machine, trap, user

call, say, succeed, listen = user.call, user.say, user.succeed, user.listen


def nothing(bundle: int, length: int) -> user.UserCode:
    yield call("system_null")
    return 0


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_exit_status_is_reported(status: int) -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield call("process_exit", status)
        raise AssertionError("ran on after its end")

    result = run(program)
    assert result.record("exit") == f"status={status}"
    assert result.log.splitlines()[0] == "@ready"


def test_the_same_seed_gives_the_same_run() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        for _ in range(20):
            yield call("thread_sleep", 1000)
        yield from say("x" * 100)
        return 0

    runs = [run(program, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] and runs[0].time != runs[2].time


def test_the_program_sees_its_bundle() -> None:
    data = bytes(range(256)) * 40
    expected: list[bytes] = []

    def program(bundle: int, length: int) -> user.UserCode:
        assert bundle == layout.BUNDLE_START
        expected.append((yield user.Read(bundle, length)))
        return 0

    content = bundle_of(program, arguments=(b"one", b"two"), data=data)
    run(program, bundle=content)
    assert expected == [content] and data in content


def test_input_and_both_outputs_carry_every_byte() -> None:
    given = Random(5).randbytes(70_000)

    def program(bundle: int, length: int) -> user.UserCode:
        data = yield from listen()
        assert data == given
        yield user.Write(user.SCRATCH, data[:60_000])
        done = 0
        while done < 60_000:
            done += yield from succeed("console_write", 1, user.SCRATCH + done, 60_000 - done)
        yield from say("errors", 2)
        assert (yield from listen()) == b""
        return 0

    for seed in range(3):
        result = run(program, seed=seed, given=given)
        assert result.streams == {1: given[:60_000], 2: b"errors"}


def test_input_that_comes_late_is_waited_for() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        data = yield from listen()
        now = yield from succeed("clock_read")
        assert data == b"hello" and now >= 9_000_000
        return 0

    made = simulation(program, given=None)
    made.prepare(at(1_000_000, lambda machine: machine.send_input(b"\x05")))
    made.prepare(at(5_000_000, lambda machine: machine.send_input(b"\x00hel")))
    made.prepare(at(9_000_000, lambda machine: machine.send_input(b"lo\0\0")))
    assert made.run().record("exit") == "status=0"


def test_a_program_that_waits_for_ever_is_noticed() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield from listen()
        return 0

    with pytest.raises(board.Stuck):
        simulation(program, given=None).run()


def test_a_deadline_at_the_end_of_time_does_not_come() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        notification = yield from user.succeed("notification_create", initial.QUOTA)
        yield user.call("notification_wait", notification, (1 << 64) - 2)
        raise AssertionError("the time has come")

    with pytest.raises(board.Stuck):
        simulation(program).run()


def spin(bundle: int, length: int) -> user.UserCode:
    while True:
        yield user.Work(1000)


def wait(bundle: int, length: int) -> user.UserCode:
    yield call("console_read", user.SCRATCH, 10)
    return 0


def sleep(bundle: int, length: int) -> user.UserCode:
    yield call("thread_sleep", 10**15)
    return 0


def flood(bundle: int, length: int) -> user.UserCode:
    while True:
        yield call("console_write", 1, user.SCRATCH, 100)


@pytest.mark.parametrize("program", [spin, wait, sleep, flood])
@pytest.mark.parametrize(("command", "fault"), [(0x54, "number=9 kind=timed-out"), (0x49, "number=2 kind=interrupted")])
def test_the_host_can_end_a_program_whatever_it_does(program: user.UserFunction, command: int, fault: str) -> None:
    made = simulation(program, given=None).prepare(at(3_000_000, lambda machine: machine.send_command(command)))
    result = made.run()
    assert result.record("fault").startswith(f"{fault} ip=0x401")
    assert 3_000_000 <= result.time < 30_000_000
    assert "@exit" not in result.log


def test_unknown_commands_change_nothing() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield call("thread_sleep", 10_000_000)
        return 3

    made = simulation(program).prepare(at(1_000_000, lambda machine: machine.send_command(0x3F)))
    assert made.run().record("exit") == "status=3"


def test_the_clock_never_goes_back_and_sleep_is_long_enough() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        last = 0
        for duration in (0, 1, 999, 1_000_000, 70_000_000_000, 3):
            before = yield from succeed("clock_read")
            yield from succeed("thread_sleep", duration)
            after = yield from succeed("clock_read")
            assert last <= before and before + duration <= after < before + duration + 30_000_000
            last = after
        return 0

    for seed in range(5):
        assert run(program, seed=seed).record("exit") == "status=0"


def test_a_panic_is_reported_with_its_text() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield user.Write(user.SCRATCH, b"bad\ndog")
        yield call("process_panic", 0x1234, user.SCRATCH, 7)
        return 0

    assert run(program).record("panic") == "site=0x1234 message=bad dog"


def test_a_panic_with_a_bad_text_is_still_reported() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield call("process_panic", 0x1234, board.DIRECT_BASE, 7)
        return 0

    assert run(program).record("panic") == "site=0x1234 message="


@pytest.mark.parametrize("content", [b"nothing", bytes(8192), b"CLOUDOS\x01" + bytes(5000)])
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    assert run(nothing, bundle=content).record("refused") == "reason=no sound program"


def test_a_machine_too_small_for_its_program_says_so() -> None:
    content = bundle_of(nothing, data=bytes(70_000))
    outcomes = set()
    for pages in range(20, 70, 3):
        result = run(nothing, bundle=content, memory=MB + len(content) + pages * 4096)
        # Loaded, but without memory for the first page that it touches: the program's fault then, not the kernel's.
        faulted = "@fault number=11 kind=out-of-memory" in result.log
        outcomes.add("fault" if faulted else "exit" if "@exit" in result.log else result.record("refused"))
    assert outcomes - {"fault"} == {"exit", "reason=not enough memory"}


def test_a_kernel_bug_is_reported_with_the_registers() -> None:
    """A machine check is nobody's fault but the machine's, and stops it."""

    def program(bundle: int, length: int) -> user.UserCode:
        yield user.Raise(trap.Cause.MACHINE_CHECK)
        return 0

    log = simulation(program).run().log
    assert "@kernel-panic trap=0xe" in log and " ar0=" in log


def test_user_code_that_fails_fails_the_test() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield call("system_null")
        raise AssertionError("seen")

    with pytest.raises(AssertionError, match="seen"):
        run(program)


def test_a_run_that_does_not_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PATIENCE", 500)
    with pytest.raises(machine.Hung):
        simulation(spin).run()
