"""Several processors: programs whose threads run on all of them, on both kinds of machines.

CLOUDOS_LONG_TESTS=1 does as much as the kernel promises: 100,000 rounds, and as many processors as the emulator has.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.harness import Result, run, write
from tests.stress.harness import LONG

PROGRAM = Path(__file__).parent / "programs" / "several_processors.py"
MOST = 255
long = pytest.mark.skipif(not LONG, reason="takes hours: CLOUDOS_LONG_TESTS=1")


def several(processors: int, what: str, rounds: int, machine: str = "microvm", patience: int = 100) -> Result:
    """Run a part of the program, with the whole machine to itself."""
    options = ["--bare", "--cpus", str(processors), "--machine", machine, "--timeout", str(patience)]
    return run(PROGRAM, what, str(rounds), options=options)


@pytest.mark.parametrize("machine", ("microvm", "q35"))
@pytest.mark.parametrize("processors", (1, 2, 4, 8))
def test_threads_run_on_every_processor(processors: int, machine: str) -> None:
    result = several(processors, "spread", processors - 1, machine).check()
    assert result.output == b"on %d processors\n" % processors


@pytest.mark.parametrize("processors", (2, 4))
def test_threads_call_each_other_across_processors(processors: int) -> None:
    assert several(processors, "messages", 300).check().output == b"1800 answers\n"


@pytest.mark.parametrize("processors", (2, 3))
def test_a_suspended_thread_stands_still(processors: int) -> None:
    assert several(processors, "still", 60).check().output == b"stood still\n"


@pytest.mark.parametrize("processors", (2, 3))
def test_a_clone_is_one_moment_of_its_origin(processors: int) -> None:
    assert several(processors, "copies", 10).check().output == b"copied\n"


@pytest.mark.parametrize("machine", ("microvm", "q35"))
@pytest.mark.parametrize("processors", (2, 4))
def test_processes_end_wherever_their_threads_are(processors: int, machine: str) -> None:
    assert several(processors, "ends", 8, machine).check().output == b"ended\n"


def test_a_panic_and_a_fault_stop_all_processors(tmp_path: Path) -> None:
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
    result = run(program, options=["--bare", "--cpus", "3", "--timeout", "60"]).check(128 + 11)
    assert "in main" in result.errors


def test_services_run_on_several_processors(tmp_path: Path) -> None:
    program = write(
        tmp_path,
        """
        from cloudos.sdk import print

        def main() -> None:
            print("hello")
        """,
    )
    assert run(program, options=["--cpus", "4", "--timeout", "60"]).check().output == b"hello\n"


@long
@pytest.mark.parametrize("processors", (4, 8))
def test_a_hundred_thousand_rounds(processors: int) -> None:
    for part, rounds in (("messages", 100_000), ("still", 100_000), ("copies", 10_000), ("ends", 100_000)):
        several(processors, part, rounds, patience=100_000).check()


@long
def test_as_many_processors_as_there_can_be() -> None:
    assert several(MOST, "spread", 20, patience=1000).check().output == b"on 21 processors\n"
