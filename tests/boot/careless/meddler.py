"""A program that holds what it should not, and tries what it could do with that."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument, Denied
from cloudos.abi.objects import MEMORY_ON_DEMAND
from cloudos.contracts.devices import Serial
from cloudos.contracts.errors import ServiceGone
from cloudos.contracts.names import Names
from cloudos.lang import U64, data
from cloudos.sdk import print, system
from cloudos.sdk.component import held
from tests.boot.careless.interface import Careless

PAGE = 4096


def meddle_with_process(process: U64) -> None:
    """Look at a service's process, look into it, and end it."""
    try:
        system.process_inspect(process)
        print("looked at")
    except Denied:
        print("not looked at")
    try:
        system.process_kill(process)
        print("ended")
    except Denied:
        print("not ended")


def speak(line: U64) -> None:
    """Write to the person past the console."""
    try:
        Serial(line).write(data(b"!"))
        print("heard")
    except ServiceGone:
        print("not heard")


def share(names: U64) -> None:
    """Give memory to a service. That it has no use for it is another matter."""
    memory = system.memory_create(U64(initial.QUOTA), U64(PAGE), U64(MEMORY_ON_DEMAND))
    try:
        Names(names).publish(data(b"memory"), U64(1), memory)
    except Denied:
        print("not shared")
    except BadArgument:
        print("shared")


def main() -> None:
    """Try all. Raises NotFound where nobody is careless."""
    names = held("names")
    share(names)
    speak(Names(names).look_up(data(b"line")))
    meddle_with_process(Careless(Names(names).look_up(data(b"careless"))).process())
