"""What user programs import.

A program is a module with a function `main`, which takes nothing or the arguments (a `List[Text]`, the program's name
first) and returns nothing or its exit status (a `U8`).
"""

from __future__ import annotations

from cloudos.abi.errors import NotFound
from cloudos.sdk.collections import ByteBuffer, Bytes, Comparator, Counter, Hashable, List, Map, Ordered, Tally, Text
from cloudos.sdk.console import InputStream, OutputStream, print, print_error, stderr, stdin, stdout
from cloudos.sdk.environment import args, is_terminal, variable, variable_names
from cloudos.sdk.errors import BadBundle, InvalidNumber, KeyMissing
from cloudos.sdk.files import File, file_paths, open_file
from cloudos.sdk.hosted import run
from cloudos.sdk.process import exit
from cloudos.sdk.readers import Lines, Reader, lines

__all__ = [
    "BadBundle",
    "ByteBuffer",
    "Bytes",
    "Comparator",
    "Counter",
    "File",
    "Hashable",
    "InputStream",
    "InvalidNumber",
    "KeyMissing",
    "Lines",
    "List",
    "Map",
    "NotFound",
    "Ordered",
    "OutputStream",
    "Reader",
    "Tally",
    "Text",
    "args",
    "exit",
    "file_paths",
    "is_terminal",
    "lines",
    "open_file",
    "print",
    "print_error",
    "run",
    "stderr",
    "stdin",
    "stdout",
    "variable",
    "variable_names",
]
