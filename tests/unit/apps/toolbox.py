"""Runs utilities in this process, over the host's files, and the host's own beside them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cloudos.apps.toolbox.__main__ import main
from cloudos.lang import U64, Region
from cloudos.sdk import List, Text, console, host_files, host_programs, models
from cloudos.sdk.bundle import bundle
from cloudos.sdk.hosted import make_bundle


@dataclass(frozen=True)
class Result:
    """What came out."""

    output: bytes
    status: int
    errors: bytes = b""


class OwnStreams(host_programs.HostSystem):
    """The host, for the programs that a utility starts."""

    def __init__(self, streams: tuple[int, int, int]) -> None:
        super().__init__()
        self.streams = streams

    def standard_stream(self, number: U64) -> U64:
        return U64(self.streams[int(number)] + 1)


def texts(arguments: list[str]) -> List[Text]:
    """Arguments as a program gets them."""
    result = List[Text]()
    for argument in arguments:
        result.append(Text(argument))
    return result


def run(arguments: list[str], directory: Path, feed: bytes = b"", **environment: str) -> Result:
    """Run one of ours in a directory."""
    source, out, err = (tempfile.TemporaryFile(buffering=0) for _ in range(3))  # noqa: SIM115
    source.write(feed)
    source.seek(0)
    model = models.SystemModel(source, out, err)
    models.install(model)
    host = OwnStreams((source.fileno(), out.fileno(), err.fileno()))
    handles = host_files.install(model)
    content = make_bundle(arguments, {"PWD": str(directory), **environment}, {}, handles)
    region = Region(len(content), 64)
    region.data[:] = content
    bundle.attach(U64(region.address), U64(region.size))
    console.stdin.start = console.stdin.stop = U64(0)
    console.stdin.ended = False
    console.stdout.used = console.stderr.used = U64(0)
    previous, host_programs.programs.SYSTEM = host_programs.programs.SYSTEM, host
    try:
        status = int(main(texts(["toolbox", *arguments])))
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        host_programs.programs.SYSTEM = previous
    console.stdout.flush()
    console.stderr.flush()
    shown = []
    for stream in (out, err):
        stream.seek(0)
        shown.append(stream.read())
        stream.close()
    source.close()
    return Result(shown[0], status, shown[1])


def run_host(arguments: list[str], directory: Path, feed: bytes = b"", **environment: str) -> Result:
    """Run the host's utility of the same name."""
    variables = {"LC_ALL": "C", "PATH": os.environ["PATH"], "TZ": "UTC0", "PWD": str(directory), **environment}
    found = subprocess.run(
        arguments, input=feed, capture_output=True, cwd=directory, env=variables, timeout=20, check=False
    )
    return Result(found.stdout, found.returncode, found.stderr)
