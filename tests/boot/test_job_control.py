"""Programs that a person stops and continues, on a real terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.boot.person import PROMPT, Person

SUSPEND, INTERRUPT = b"\x1a", b"\x03"


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    one = Person()
    try:
        one.see(PROMPT)
        yield one
        one.type(b"exit 3\r")
        assert one.ended() == 3
    finally:
        one.close()


def job(number: int, state: str, text: str) -> str:
    """A job as it is shown."""
    return f"[{number}] + {state:<26} {text}"


LONG = "sh -c 'echo on; sleep 100'"
TEXT = "sh -c echo on; sleep 100"


def test_a_program_is_stopped_and_continued_in_front(person: Person) -> None:
    person.type(LONG.encode() + b"\r")
    person.see(f"{PROMPT} {LONG}", "on")
    person.type(SUSPEND)
    person.see("on", "^Z", job(1, "Stopped", TEXT), PROMPT)
    person.run("echo $?", "148")
    person.run("jobs", job(1, "Stopped", TEXT))
    person.type(b"ps -o state,comm | grep sh$\r")
    person.see_match(r"^stopped +/bin/sh$")
    person.type(b"fg\r")
    person.see(f"{PROMPT} fg", TEXT)
    person.type(SUSPEND)
    person.see(TEXT, "^Z", job(1, "Stopped", TEXT), PROMPT)
    person.type(b"fg %1\r")
    person.see(f"{PROMPT} fg %1", TEXT)
    person.type(INTERRUPT)
    person.see(TEXT, "^C", PROMPT)
    person.run("echo $?; jobs", "130")


@pytest.mark.parametrize("waits", [0, 20])
def test_a_pipeline_goes_on_in_the_background(person: Person, waits: int) -> None:
    person.fresh()
    person.type(b"{ echo on; sleep 1; } | cat\r")
    person.see(PROMPT + " { echo on; sleep 1; } | cat", "on")
    # What the stage has started, `sleep`, is stopped with it, and goes on with it.
    for _ in range(waits):
        person.look(0.02)
    person.type(SUSPEND)
    person.see("on", "^Z", job(1, "Stopped", "... | cat"), PROMPT)
    person.run("bg", "[1] ... | cat")
    person.run("wait; echo $?; jobs", "0")


def test_what_is_stopped_does_nothing_and_can_be_ended(person: Person) -> None:
    person.fresh()
    person.run("sh -c 'while :; do echo x >> /tmp/n; sleep 0.01; done' &", "[1] " + number(person))
    person.run("sleep 0.1; kill -STOP $!; sleep 0.1; a=$(wc -l < /tmp/n)")
    person.run("sleep 0.3; echo $(($(wc -l < /tmp/n) - a))", "0")
    person.run("jobs | cut -c 1-13", "[1] + Stopped")
    person.run("kill -CONT %1; sleep 0.3; test $(wc -l < /tmp/n) -gt $a && echo more", "more")
    person.run("kill -TSTP %1; kill %1; wait $!; echo $?", "143")


def number(person: Person) -> str:
    """The number of the next program."""
    person.type(b"sleep 0 & wait; echo =$!=\r")
    found = person.see_match(r"^=(\d+)=$")
    person.fresh()
    assert re.fullmatch(r"\d+", found[1])
    # `clear` was one more.
    return str(int(found[1]) + 2)
