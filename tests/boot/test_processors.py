"""Several processors: programs whose threads run on all of them, on all kinds of machines.

CLOUDOS_LONG_TESTS=1 does as much as the kernel promises: 100,000 rounds, and as many processors as the emulator has.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.harness import ROOT, Result, run, write
from tests.stress.harness import LONG

PROGRAM = Path(__file__).parent / "programs" / "several_processors.py"
MOST = {"microvm": 255, "q35": 255, "virt": 256}
long = pytest.mark.skipif(not LONG, reason="takes hours: CLOUDOS_LONG_TESTS=1")
both = pytest.mark.parametrize("machine", ("microvm", "virt"))


def options_of(processors: int, machine: str, patience: int) -> list[str]:
    architecture = "aarch64" if machine.startswith("virt") else "x86_64"
    options = ["--arch", architecture, "--machine", machine]
    return [*options, "--cpus", str(processors), "--timeout", str(patience)]


def several(processors: int, what: str, rounds: int, machine: str = "microvm", patience: int = 100) -> Result:
    """Run a part of the program, with the whole machine to itself."""
    return run(PROGRAM, what, str(rounds), options=["--bare", *options_of(processors, machine, patience)])


@pytest.mark.parametrize(
    ("processors", "machine"),
    [(1, "q35"), (2, "microvm"), (4, "q35"), (8, "microvm"), (2, "virt"), (4, "virt"), (8, "virt,gic-version=2")],
)
def test_threads_run_on_every_processor(processors: int, machine: str) -> None:
    result = several(processors, "spread", processors - 1, machine).check()
    assert result.output == b"on %d processors\n" % processors


@both
@pytest.mark.parametrize("processors", (2, 4))
def test_threads_call_each_other_across_processors(processors: int, machine: str) -> None:
    assert several(processors, "messages", 300, machine).check().output == b"1800 answers\n"


@both
def test_a_suspended_thread_stands_still(machine: str) -> None:
    assert several(3, "still", 60, machine).check().output == b"stood still\n"


@both
def test_a_clone_is_one_moment_of_its_origin(machine: str) -> None:
    assert several(3, "copies", 10, machine).check().output == b"copied\n"


@both
def test_calculations_go_on_elsewhere(machine: str) -> None:
    assert several(3, "floats", 10, machine).check().output == b"60 sums\n"


@pytest.mark.parametrize("machine", ("q35", "virt"))
def test_processes_end_wherever_their_threads_are(machine: str) -> None:
    assert several(3, "ends", 5, machine).check().output == b"ended\n"


@both
def test_threads_run_where_their_schedule_is_time_of(machine: str) -> None:
    placed = PROGRAM.with_name("placed.py")
    assert run(placed, "3", options=["--bare", *options_of(3, machine, 60)]).check().output == b"placed\n"


def test_processors_that_wait_hold_up_nobody() -> None:
    """64 processors on few real ones: those that may not come in are stopped at any place. It was never done when they
    could be stopped where others had to wait for them. On x86_64 the emulator itself lets others go first then."""
    options = ["--bare", *options_of(64, "virt", 60)]
    assert run(ROOT / "bench" / "pairs.py", "64", "1", options=options).check().output.startswith(b"round_trip")


@both
def test_a_panic_and_a_fault_stop_all_processors(machine: str, tmp_path: Path) -> None:
    program = write(
        tmp_path,
        """
        from cloudos.lang import U64, Ptr, VirtAddr, code_address
        from cloudos.sdk.threads import start

        def spin(argument: U64) -> None:
            while True:
                pass

        def main() -> None:
            for index in U64.range(3):
                start(code_address(spin), index)
            Ptr.at(U64, VirtAddr(U64(0x1234_5000_0000))).value = U64(1)
        """,
    )
    result = run(program, options=["--bare", *options_of(3, machine, 60)]).check(128 + 11)
    assert "in main" in result.errors


@both
def test_services_run_on_several_processors(machine: str, tmp_path: Path) -> None:
    program = write(
        tmp_path,
        """
        from cloudos.sdk import print

        def main() -> None:
            print("hello")
        """,
    )
    assert run(program, options=options_of(4, machine, 60)).check().output == b"hello\n"


@long
def test_processes_keep_their_memory_when_tags_of_address_spaces_run_out() -> None:
    """QEMU forgets more than it is told to: this finds what hangs or crashes, `test_page_tables.py` wrong tags."""
    assert several(2, "tags", 300, "virt", 1000).check().output == b"own memory\n"


@long
@pytest.mark.parametrize("machine", ("microvm", "q35", "virt"))
@pytest.mark.parametrize("processors", (4, 8))
def test_a_hundred_thousand_rounds(processors: int, machine: str) -> None:
    for part, rounds in (("messages", 100_000), ("still", 100_000), ("copies", 10_000), ("ends", 100_000)):
        several(processors, part, rounds, machine, 100_000).check()


@long
@pytest.mark.parametrize("machine", MOST)
def test_as_many_processors_as_there_can_be(machine: str) -> None:
    """It takes ten seconds on x86_64, three on AArch64."""
    processors = MOST[machine]
    assert several(processors, "spread", 20, machine, 1000).check().output == b"on 21 processors\n"
    assert several(processors, "messages", 100, machine, 1000).check().output == b"600 answers\n"
