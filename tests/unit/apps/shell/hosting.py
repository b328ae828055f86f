"""The shell under CPython, in this process, over the host's programs and files; and dash to compare it with."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cloudos.apps.shell.main import main
from cloudos.lang import U64, Region
from cloudos.sdk import List, Text, host_programs
from cloudos.sdk.bundle import bundle
from cloudos.sdk.hosted import make_bundle
from cloudos.sdk.models import SystemModel, install

TIMEOUT = 20  # seconds


@dataclass(frozen=True)
class Outcome:
    """What a script did."""

    output: bytes
    status: int


def environment(directory: Path) -> dict[str, str]:
    """The same for both shells."""
    return {"PATH": "/usr/bin:/bin", "HOME": str(directory), "LC_ALL": "C", "PWD": str(directory)}


class StandardStreams(host_programs.HostSystem):
    """The host with standard streams of its own."""

    def __init__(self, streams: tuple[int, int, int]) -> None:
        super().__init__()
        self.streams = streams
        self.again = self.run_again

    def standard_stream(self, number: U64) -> U64:
        if int(number) < len(self.streams):
            return U64(self.streams[int(number)] + 1)
        return super().standard_stream(number)

    def run_again(self) -> int:
        """In a child: the shell's `main` with the streams of the child."""
        self.streams = (0, 1, 2)
        return int(main(texts("sh")))


def texts(*values: str) -> List[Text]:
    """A list for systems Python."""
    result = List[Text]()
    for value in values:
        result.append(Text(value))
    return result


def run_shell(arguments: list[str], directory: Path, given: bytes = b"") -> Outcome:
    """Run the shell's `main` in this process."""
    install(SystemModel())
    content = make_bundle(["sh", *arguments], environment(directory), {})
    region = Region(len(content), 16)
    region.data[:] = content
    bundle.attach(U64(region.address), U64(region.size))
    source, target, errors = (directory.parent / name for name in ("stdin", "stdout", "stderr"))
    source.write_bytes(given)
    streams = (
        os.open(source, os.O_RDONLY),
        os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND),
        os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND),
    )
    previous = host_programs.programs.SYSTEM
    # A script may attend to signals, which this process would go on to do, and all that it starts later.
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    host_programs.programs.SYSTEM = StandardStreams(streams)
    try:
        status = int(main(texts("sh", *arguments)))
    finally:
        host_programs.programs.SYSTEM = previous
        for number, handler in handlers.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)
        for stream in streams:
            os.close(stream)
    return Outcome(target.read_bytes(), status)


def run_apart(arguments: list[str], directory: Path, given: bytes = b"") -> Outcome:
    """`run_shell` in a child process, for scripts that send signals to their shell."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            status = run_shell(arguments, directory, given).status
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Outcome((directory.parent / "stdout").read_bytes(), status if status >= 0 else 128 - status)


def run_dash(arguments: list[str], directory: Path, given: bytes = b"") -> Outcome:
    """Run dash on the same."""
    done = subprocess.run(
        ["dash", *arguments],
        cwd=directory,
        env=environment(directory),
        input=given,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        umask=0o022,
    )
    return Outcome(done.stdout, done.returncode if done.returncode >= 0 else 128 - done.returncode)
