"""The shell under a person's hands: `bin/cloudos shell` on a pseudo-terminal of 80 x 24, judged by what it shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudos.host import system_image
from tests.boot.person import COLUMNS, PROMPT, Person

LEFT, RIGHT, UP, DOWN = b"\x1b[D", b"\x1b[C", b"\x1b[A", b"\x1b[B"
HOME, END = b"\x01", b"\x05"
AT_PROMPT = len(PROMPT) + 1


@pytest.fixture(scope="module")
def image() -> None:
    """Compiling is not what these tests wait for."""
    system_image.build(system_image.load("system"))


@pytest.fixture
def person(image: None) -> Iterator[Person]:
    made = Person()
    try:
        made.see(PROMPT, column=AT_PROMPT)
        yield made
    finally:
        made.close()


def test_editing_in_the_middle_of_a_line(person: Person) -> None:
    person.type(b"echo one three")
    person.see(f"{PROMPT} echo one three")
    person.type(LEFT * 5 + b"two ")
    person.see(f"{PROMPT} echo one two three", column=AT_PROMPT + len("echo one two "))
    person.type(b"\x7f\x7fX")
    person.see(f"{PROMPT} echo one twXthree", column=AT_PROMPT + len("echo one twX"))
    person.type(HOME + b"\x1b[3~" * 5 + b"printf '%s+' ")
    person.see(f"{PROMPT} printf '%s+' one twXthree", column=AT_PROMPT + len("printf '%s+' "))
    person.type(END + b"; echo\r")
    person.see(f"{PROMPT} printf '%s+' one twXthree; echo", "one+twXthree+", PROMPT)


def test_keys_that_erase(person: Person) -> None:
    person.type(b"echo alpha beta gamma\x17")
    person.see(f"{PROMPT} echo alpha beta", column=AT_PROMPT + len("echo alpha beta "))
    person.type(HOME + RIGHT * 10 + b"\x0b")
    person.see(f"{PROMPT} echo alpha", column=AT_PROMPT + len("echo alpha"))
    person.type(b" tail" + LEFT * 5 + b"\x15")
    person.see(f"{PROMPT}  tail", column=AT_PROMPT)
    person.type(b"echo\r")
    person.see(f"{PROMPT} echo tail", "tail", PROMPT)


def test_a_line_that_is_longer_than_the_screen_is_wide(person: Person) -> None:
    line = "echo " + "".join(f"{number:03}." for number in range(40))
    whole = f"{PROMPT} {line}"
    rows = [whole[at : at + COLUMNS] for at in range(0, len(whole), COLUMNS)]
    person.type(line.encode())
    person.see(*rows, column=len(rows[-1]))
    # Something new at the very beginning moves everything, on all rows.
    person.type(HOME + b"true; ")
    moved = f"{PROMPT} true; {line}"
    shown = [moved[at : at + COLUMNS] for at in range(0, len(moved), COLUMNS)]
    person.see(*shown, column=AT_PROMPT + len("true; "))
    person.type(b"\x7f" * 6 + END)
    person.see(*rows, column=len(rows[-1]))
    person.type(b"\r")
    output = line.removeprefix("echo ")
    person.see(*rows, output[:COLUMNS], output[COLUMNS:], PROMPT)


def test_characters_of_several_bytes_and_columns(person: Person) -> None:
    person.type("echo aä世b".encode())
    person.see(f"{PROMPT} echo aä世b", column=AT_PROMPT + len("echo aä") + 2 + 1)
    person.type(LEFT * 2 + b"\x7f")
    person.see(f"{PROMPT} echo a世b", column=AT_PROMPT + len("echo a"))
    person.type(b"\r")
    person.see("a世b", PROMPT)


def test_history(person: Person) -> None:
    person.run("echo first", "first")
    person.run("echo second", "second")
    person.type(b"unfinished" + UP)
    person.see(f"{PROMPT} echo second")
    person.type(UP)
    person.see(f"{PROMPT} echo first")
    person.type(DOWN + DOWN)
    person.see(f"{PROMPT} unfinished")
    person.type(b"\x15" + UP + UP + b" again\r")
    person.see(f"{PROMPT} echo first again", "first again", PROMPT)
    # What was run is there again, changed lines too, and the old ones are as they were.
    person.type(UP + UP + UP)
    person.see(f"{PROMPT} echo first")


def test_search_in_the_history(person: Person) -> None:
    person.run("echo apple pie", "apple pie")
    person.run("echo apple tart", "apple tart")
    person.run("true")
    person.type(b"\x12app")
    person.see("(search) `app': echo apple tart")
    person.type(b"\x12")
    person.see("(search) `app': echo apple pie")
    person.type(b"\r")
    person.see(f"{PROMPT} echo apple pie", "apple pie", PROMPT)
    person.type(b"\x12tart")
    person.see("(search) `tart': echo apple tart")
    person.type(END)
    person.see(f"{PROMPT} echo apple tart", column=AT_PROMPT + len("echo apple tart"))


def test_completion(person: Person) -> None:
    person.type(b"hexd\t")
    person.see(f"{PROMPT} hexdump", column=AT_PROMPT + len("hexdump "))
    person.type(b"/usr/sh\tman/ca\t")
    # Two begin with "ca": nothing is added, and both are shown below; the line comes again behind them.
    person.see(
        f"{PROMPT} hexdump /usr/share/man/ca",
        "/usr/share/man/caps.md  /usr/share/man/cat.md",
        f"{PROMPT} hexdump /usr/share/man/ca",
    )
    person.type(b"t\t")
    person.see(f"{PROMPT} hexdump /usr/share/man/cat.md", column=AT_PROMPT + len("hexdump /usr/share/man/cat.md "))
    person.type(b"\x15date; unam\t")
    person.see(f"{PROMPT} date; uname", column=AT_PROMPT + len("date; uname "))
    person.type(b"\x15echo 1 > '/tmp/a file'\r")
    person.see(f"{PROMPT} echo 1 > '/tmp/a file'", PROMPT)
    person.type(b"cat /tmp/a\t\r")
    person.see(f"{PROMPT} cat /tmp/a\\ file", "1", PROMPT)
    person.type(b"nothingbeginsso\t")
    person.see(f"{PROMPT} nothingbeginsso")


def test_interrupt_at_the_prompt(person: Person) -> None:
    person.type(b"echo not run\x03")
    person.see(f"{PROMPT} echo not run^C", PROMPT)
    person.run("echo $?", "130")
    person.type(b"if true\r")
    person.see(f"{PROMPT} if true", ">")
    person.type(b"then echo not run\x03")
    person.see("> then echo not run^C", PROMPT)
    person.run("echo $?", "130")


@pytest.mark.parametrize(
    "command", ("sleep 100", "cat", "cat | wc -l", "yes > /dev/null"), ids=("sleep", "reader", "pipeline", "busy")
)
def test_interrupt_of_what_runs(person: Person, command: str) -> None:
    person.type(command.encode() + b"\r")
    person.see(f"{PROMPT} {command}", column=0)
    # It runs when it is listed; a reader has taken the line then.
    for _ in range(20):
        person.look(0.02)
    person.type(b"\x03")
    person.see(f"{PROMPT} {command}", "^C", PROMPT)
    person.run("echo $?", "130")


def test_end_of_file_ends_a_reader_and_then_the_shell(person: Person) -> None:
    person.type(b"wc -l\r")
    person.see(f"{PROMPT} wc -l", column=0)
    person.type(b"one\rtwo\r\x04")
    person.see(f"{PROMPT} wc -l", "one", "two", "2", PROMPT)
    person.run("false")
    person.type(b"x\x04")
    # On a line that is not empty it is no end.
    person.see(f"{PROMPT} x")
    person.type(b"\x7f")
    person.see(PROMPT)
    person.type(b"\x04")
    assert person.ended() == 1


def test_exit_gives_the_status_of_the_tool(person: Person) -> None:
    person.type(b"exit 41\r")
    assert person.ended() == 41


def test_a_listing_is_in_columns_that_fit(person: Person) -> None:
    person.fresh()
    person.type(b"ls /bin\r")
    person.until(lambda: len(person.rows()) > 3 and person.rows()[-1] == PROMPT, "a listing")
    rows = person.rows()[1:-1]
    assert max(map(len, rows)) < COLUMNS and len(rows) < 12
    names = {name for row in rows for name in row.split()}
    assert {"ls", "sh", "sort", "hexdump", "services"} <= names
    # What is no terminal gets one name on each line.
    person.run("ls /bin | wc -l", str(len(names)))


def test_pages(person: Person) -> None:
    person.fresh()
    person.type(b"more /usr/share/man/ls.md\r")
    person.until(lambda: person.rows()[-1] == "--More--", "the end of a page")
    assert person.rows()[0] == "# ls" and len(person.rows()) == 24
    person.type(b"\r")
    person.until(lambda: person.rows()[0] == "" and person.rows()[-1] == "--More--", "a line more")
    person.type(b"q")
    person.until(lambda: person.rows()[-1] == PROMPT, "the prompt")
    person.type(b"abc")
    person.see(f"{PROMPT} abc")


def test_top_until_it_is_interrupted(person: Person) -> None:
    person.type(b"top\r")
    person.see_match(r"^loader +\S+ +\S+ +\d+% +1 +running$")
    person.see_match(r"^ +\d+ +\S+ +\S+ +running +/bin/top$")
    person.type(b"\x03")
    person.see("^C", PROMPT)


@pytest.mark.parametrize(
    "command",
    (
        "while :; do :; done",
        "f() { f2; }; f2() { while true; do x=1; done; }; f",
        "sh -c 'while :; do :; done'",
        "yes | while read x; do :; done",
        "while :; do echo y; done | cat >/dev/null",
        "x=$(while :; do :; done)",
        "sh -c 'sleep 100; echo not run'",
        "(while :; do sleep 100; done)",
        "sleep 100 & wait",
        "read x",
    ),
    ids=("loop", "function", "script", "reader", "writer", "substitution", "program", "subshell", "wait", "read"),
)
def test_interrupt_of_what_the_shell_runs(person: Person, command: str) -> None:
    person.type(command.encode() + b"\r")
    # The line editor may be in the first column too, of the first row.
    person.until(lambda: person.terminal.row > 0 and person.terminal.column == 0, "the command runs")
    if command.endswith("& wait"):
        person.until(lambda: person.rows()[-1].startswith("[1]") and person.terminal.column == 0, "the job's number")
    for _ in range(10):
        person.look(0.02)
    person.type(b"\x03")
    person.until(lambda: person.rows()[-1] == PROMPT and "^C" in person.rows()[-2], "the prompt")
    person.run("echo $?", "130")


def test_a_script_that_handles_the_interrupt_key(person: Person) -> None:
    script = """trap "echo caught; exit 5" INT; echo ready; while :; do :; done"""
    person.type(f"sh -c '{script}'\r".encode())
    person.until(lambda: person.rows()[-1] == "ready" and person.terminal.column == 0, "the script runs")
    person.type(b"\x03")
    person.until(lambda: person.rows()[-1] == PROMPT, "the prompt")
    assert person.rows()[-2] == "caught"
    person.run("echo $?", "5")


def test_a_script_in_the_background_gets_signals(person: Person) -> None:
    person.type(b"sh -c 'trap \"echo told\" TERM; while :; do sleep 0.1; done' &\r")
    person.until(lambda: person.rows()[-1] == PROMPT and "[1]" in person.terminal.text(), "the job's number")
    person.type(b"sleep 0.3; kill $!; sleep 0.3; kill -9 $!; wait $!; echo $?\r")
    person.until(lambda: person.rows()[-3:] == ["told", "137", PROMPT], "what became of the job")


def test_aliases_at_the_prompt(person: Person) -> None:
    person.run("alias greet='echo hello'")
    person.run("greet you", "hello you")
    person.run("unalias greet")
    person.run("greet 2>/dev/null; echo $?", "127")
