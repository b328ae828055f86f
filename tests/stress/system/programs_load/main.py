"""Uses programs without pause: see load.py beside this directory."""

from __future__ import annotations

from cloudos.lang import U8, U64
from cloudos.sdk import List, Text
from tests.stress.system.load import use_for_ever


def main(arguments: List[Text]) -> U8:
    """For ever."""
    return use_for_ever(arguments[1], U64(arguments[2].to_integer()))
