"""Every kind of fault: what the record says, and that it ends the process."""

from __future__ import annotations

import pytest

from cloudos.abi import faults, initial, layout, tags
from cloudos.abi.errors import BadState
from tests.sim import programs
from tests.sim.harness import MB, run
from tests.sim.invariants import check
from tests.sim.inventory import STATES
from tests.sim.stage import Stage
from tests.sim.world import board, trap, user

Cause = trap.Cause
HOLE = 0x1000_0000
NOT_CANONICAL = 1 << 47
STACK_BOTTOM = layout.STACK_TOP - layout.STACK_SIZE
TEXT = user.entry_of(0)


def record_of(instruction: user.Instruction) -> tuple[str, str]:
    """The records @fault and @exit of a program that executes one instruction. It must not go on."""

    def program(bundle: int, length: int) -> user.UserCode:
        yield instruction
        raise AssertionError("went on after a fault")

    log = run(program)
    assert log.records("exit") == []
    return log.record("fault"), log.log


@pytest.mark.parametrize(
    ("instruction", "fault", "address"),
    [
        (user.Read(0, 8), faults.NULL_POINTER, 0),
        (user.Read(layout.USER_START - 1, 1), faults.NULL_POINTER, layout.USER_START - 1),
        (user.Read(layout.USER_START, 8), faults.UNMAPPED_ADDRESS, layout.USER_START),
        (user.Read(HOLE, 8), faults.UNMAPPED_ADDRESS, HOLE),
        (user.Write(HOLE, b"x"), faults.UNMAPPED_ADDRESS, HOLE),
        (user.Write(user.READ_ONLY, b"x"), faults.WRITE_TO_READ_ONLY, user.READ_ONLY),
        (user.Write(TEXT, b"x"), faults.WRITE_TO_READ_ONLY, TEXT),
        (user.Write(layout.BUNDLE_START, b"x"), faults.WRITE_TO_READ_ONLY, layout.BUNDLE_START),
        (user.Jump(user.SCRATCH), faults.EXECUTE_OF_DATA, user.SCRATCH),
        (user.Jump(user.READ_ONLY), faults.EXECUTE_OF_DATA, user.READ_ONLY),
        (user.Jump(layout.BUNDLE_START), faults.EXECUTE_OF_DATA, layout.BUNDLE_START),
        (user.Jump(layout.STACK_TOP - 4096), faults.EXECUTE_OF_DATA, layout.STACK_TOP - 4096),
        (user.Jump(HOLE), faults.UNMAPPED_ADDRESS, HOLE),
        (user.Read(board.DIRECT_BASE + MB, 8), faults.KERNEL_ADDRESS, board.DIRECT_BASE + MB),
        (user.Write(board.DIRECT_BASE + MB, b"x"), faults.KERNEL_ADDRESS, board.DIRECT_BASE + MB),
        (user.Jump(board.DIRECT_BASE + MB), faults.KERNEL_ADDRESS, board.DIRECT_BASE + MB),
        (user.Read((1 << 64) - 8, 8), faults.KERNEL_ADDRESS, (1 << 64) - 8),
        (user.Read(layout.USER_END, 1), faults.KERNEL_ADDRESS, layout.USER_END),
        (user.Read(NOT_CANONICAL, 8), faults.BAD_ADDRESS, 0),
        (user.Read(STACK_BOTTOM - 8, 8), faults.STACK_OVERFLOW, STACK_BOTTOM - 8),
        (user.Write(STACK_BOTTOM - layout.STACK_GUARD_SIZE, b"x"), faults.STACK_OVERFLOW, STACK_BOTTOM - (1 << 20)),
        (user.Jump(TEXT + 1), faults.ILLEGAL_INSTRUCTION, 0),
        (user.Raise(Cause.DIVIDE), faults.DIVIDE_ERROR, 0),
        (user.Raise(Cause.BREAKPOINT), faults.BREAKPOINT, 0),
        (user.Raise(Cause.ILLEGAL), faults.ILLEGAL_INSTRUCTION, 0),
        (user.Raise(Cause.PRIVILEGED), faults.PRIVILEGED_INSTRUCTION, 0),
        (user.Raise(Cause.FLOATING_POINT), faults.FLOATING_POINT, 0),
        (user.Raise(Cause.ALIGNMENT), faults.ALIGNMENT, 0),
        (user.Raise(Cause.BAD_ADDRESS), faults.BAD_ADDRESS, 0),
    ],
    ids=str,
)
def test_a_fault_ends_the_process_and_says_why(
    instruction: user.Instruction, fault: faults.Fault, address: int
) -> None:
    where = TEXT
    if isinstance(instruction, user.Jump):
        where = instruction.address
    elif isinstance(instruction, user.Raise) and instruction.cause == Cause.BREAKPOINT:
        where = TEXT + trap.INSTRUCTION
    name = bytes(fault.name).decode()
    expected = f"number={fault.number} kind={name} ip={where:#x} address={address:#x} sp={layout.STACK_TOP:#x}"
    record, log = record_of(instruction)
    assert record == expected
    assert log.count(f"@frame ip={where:#x}") == 1


@pytest.mark.parametrize("cause", [Cause.SPURIOUS, Cause.NON_MASKABLE])
def test_interrupts_of_no_meaning_are_ignored(cause: trap.Cause) -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield user.Interrupt(cause)
        return 5

    assert run(program).record("exit") == "status=5"


def test_a_range_that_ends_in_a_bad_page_faults_there_and_stores_nothing() -> None:
    end = user.SCRATCH + user.SCRATCH_SIZE

    def program(bundle: int, length: int) -> user.UserCode:
        yield user.Write(end - 4, b"abcdefgh")
        return 0

    assert f"kind=unmapped-address ip={TEXT:#x} address={end:#x}" in run(program).record("fault")


def test_the_stack_grows_when_touched() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        for address in (layout.STACK_TOP - 8, STACK_BOTTOM, layout.STACK_TOP - 300_000):
            assert (yield user.Read(address, 8)) == bytes(8)
            yield user.Write(address, b"grown")
            assert (yield user.Read(address, 8)) == b"grown\0\0\0"
        return 0

    assert run(program).record("exit") == "status=0"


def test_a_stack_without_memory_is_its_own_fault() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        size = 1 << 20
        while size >= 4096:
            while (yield user.call("memory_map", size)).error == 0:
                pass
            size //= 2
        for address in range(layout.STACK_TOP - 4096, STACK_BOTTOM, -4096):
            yield user.Write(address, b"x")
        return 0

    assert "kind=out-of-memory" in run(program, memory=3 * MB).record("fault")


def test_frames_are_followed_as_far_as_they_can_be() -> None:
    chain = [user.SCRATCH + offset for offset in (0, 64, 128)]

    def program(bundle: int, length: int) -> user.UserCode:
        for index, place in enumerate(chain):
            caller = chain[index + 1] if index < 2 else HOLE
            yield user.Write(place, caller.to_bytes(8, "little") + (0x5000 + index).to_bytes(8, "little"))
        yield user.SetRegisters(fp=chain[0])
        yield user.Raise(Cause.DIVIDE)
        return 0

    frames = run(program).records("frame")
    assert frames[1:] == ["ip=0x5000", "ip=0x5001", "ip=0x5002"] and frames[0].startswith("ip=0x401")


@pytest.mark.parametrize("fp", [1, user.SCRATCH + 4, HOLE, board.DIRECT_BASE + MB, (1 << 64) - 8, NOT_CANONICAL])
def test_a_bad_frame_pointer_harms_nobody(fp: int) -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield user.SetRegisters(fp=fp)
        yield user.Raise(Cause.DIVIDE)
        return 0

    assert len(run(program).records("frame")) == 1


def test_frames_in_a_circle_come_to_an_end() -> None:
    def program(bundle: int, length: int) -> user.UserCode:
        yield user.Write(user.SCRATCH, user.SCRATCH.to_bytes(8, "little"))
        yield user.SetRegisters(fp=user.SCRATCH)
        yield user.Raise(Cause.DIVIDE)
        return 0

    assert len(run(program).records("frame")) == 2


@pytest.mark.parametrize(
    "instruction",
    [user.Jump(HOLE), user.Jump(TEXT + 1), user.Read(NOT_CANONICAL, 8), user.Write(NOT_CANONICAL, b"x")],
    ids=str,
)
def test_a_fault_of_another_process_ends_that_alone(instruction: user.Instruction) -> None:
    with Stage() as stage:
        process = stage.process()
        faulting, other = stage.actor(process), stage.actor(process)
        assert stage.do(faulting, instruction) is None
        check(stage.simulation)
        assert stage.state(faulting) == STATES.DEAD and stage.state(other) == STATES.DEAD
        assert stage.succeed("process_inspect", process) >> 16 != 0
        stage.finish()


def test_an_answer_with_bytes_for_who_has_no_buffer_is_refused() -> None:
    """The server learns of it at once, and does not wait for the next message."""
    with Stage() as stage:
        server, client = stage.actor(initial.PROCESS, buffer=True), stage.actor(initial.PROCESS)
        endpoint = stage.main(programs.new_endpoint())
        stage.post(client, user.message("message_call", endpoint))
        call: user.Reply = stage.do(server, user.message("message_receive", endpoint))
        tag = 8 << tags.BYTES_SHIFT
        refused: user.Reply = stage.do(server, user.message("message_reply_receive", endpoint, tag, reply=call.reply))
        assert refused.error == BadState.code
        check(stage.simulation)
        stage.finish()


def test_who_answers_a_fault_by_ending_its_own_process_does_not_wait_for_more() -> None:
    """Found by random calls: the thread ended, and then received, which nobody who has ended may do."""
    with Stage() as stage:
        process = stage.process()
        server, faulting = stage.actor(process), stage.actor(process)
        endpoint = stage.main(programs.new_endpoint())
        theirs = stage.main(programs.install(process, endpoint))
        stage.succeed("process_set_fault_endpoint", process, endpoint)
        assert stage.do(faulting, user.Raise(trap.Cause.ILLEGAL)) is None
        fault: user.Reply = stage.do(server, user.message("message_receive", theirs))
        answer = tags.FAULT_KILL << tags.LABEL_SHIFT
        assert stage.do(server, user.message("message_reply_receive", theirs, answer, reply=fault.reply)) is None
        check(stage.simulation)
        assert stage.state(server) == STATES.DEAD and stage.state(faulting) == STATES.DEAD
        stage.finish()
