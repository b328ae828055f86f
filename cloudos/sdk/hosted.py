"""Running a program under plain CPython, on the developer's machine: `python examples/wordcount.py book.txt`.

This module is not part of compiled programs. It models the system calls over CPython's own streams and makes a boot
bundle in simulated memory from the arguments, the environment, and the host's files that the arguments name.
"""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cloudos.abi.bundle import DATA_ALIGNMENT, MAGIC, VERSION, EntryKind
from cloudos.lang import U8, U64, Panic, Region
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.sdk.models import SystemModel, install

HEADER_SIZE = 32
ENTRY_SIZE = 40
PANIC_STATUS = 134  # as the machine says it: 128 and the number of the fault, 6

_main: Callable[..., Any] | None = None


def run(main: Callable[..., Any]) -> NoReturn:
    """Run `main` with this process's arguments, streams and files; ends by SystemExit with the program's status.

    A panic prints its traceback and ends with the status that it has in the machine.
    """
    from cloudos.sdk import host_files
    from cloudos.sdk.start import start

    global _main
    _main = main
    model = SystemModel()
    install(model)
    files = {name: Path(name).read_bytes() for name in sys.argv[1:] if Path(name).is_file()}
    environment = {key: value for key, value in os.environ.items() if key != "TERM" or sys.stdout.isatty()}
    environment["PWD"] = os.getcwd()
    handles = host_files.install(model)
    content = make_bundle([os.path.basename(sys.argv[0]), *sys.argv[1:]], environment, files, handles)
    region = Region(len(content), DATA_ALIGNMENT)
    region.data[:] = content
    try:
        start(U64(region.address), U64(region.size))
    except Panic:
        traceback.print_exc()
        sys.exit(PANIC_STATUS)


def call_main(arguments: List[Text]) -> U8:
    """Call the program that `run` was given, with the arguments if it wants them."""
    if _main is None:
        raise RuntimeError("no program: call run(main)")
    status = _main(arguments) if inspect.signature(_main).parameters else _main()
    return U8(0) if status is None else status


def make_bundle(
    arguments: Sequence[str],
    environment: dict[str, str],
    files: dict[str, bytes],
    handles: dict[str, int] | None = None,
) -> bytes:
    """A boot bundle (layout: `cloudos.abi.bundle`) without a program in it."""
    items = [(EntryKind.ARGUMENT, b"", os.fsencode(argument)) for argument in arguments]
    items += [(EntryKind.ENVIRONMENT, os.fsencode(key), os.fsencode(value)) for key, value in environment.items()]
    items += [(EntryKind.FILE, os.fsencode(path), content) for path, content in files.items()]
    given = {} if handles is None else handles
    items += [(EntryKind.HANDLE, os.fsencode(name), number.to_bytes(8, "little")) for name, number in given.items()]
    names_at = HEADER_SIZE + ENTRY_SIZE * len(items)
    entries, blob = bytearray(), bytearray()
    for kind, name, content in items:
        name_at = names_at + len(blob)
        blob += name
        if kind in (EntryKind.FILE, EntryKind.HANDLE):
            blob += bytes(-(names_at + len(blob)) % DATA_ALIGNMENT)
        content_at = names_at + len(blob)
        blob += content
        for value, width in ((int(kind), 4), (len(name), 4), (name_at, 8), (content_at, 8), (len(content), 8), (0, 8)):
            entries += value.to_bytes(width, "little")
    header = bytearray()
    for value, width in ((int(MAGIC), 8), (int(VERSION), 4), (len(items), 4), (names_at + len(blob), 8), (0, 8)):
        header += value.to_bytes(width, "little")
    return bytes(header + entries + blob)
