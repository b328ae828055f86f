"""ps, top, free, df, mount, uptime, services, caps: what they show of a known system."""

from __future__ import annotations

import pytest

from cloudos.abi.errors import BadArgument, Denied
from cloudos.apps.administration import formats
from cloudos.lang import U64, data
from tests.unit.apps.administration.machine import Machine, Result

PS = """\
PID  PPID  PGID  STATE    MEMORY         TIME  COMMAND
  1     0     1  running    1.0M     01:02:05  sh
  7     1     7  running    300K        01:01  /bin/sleep 100
 12     1     7  ended         0  01-01:01:01  cat
"""
TOP = """\
up 01:01:01, 1 of 3 components running, 3 programs
memory: 128M total, 41M used (32%), 88M free

COMPONENT  MEMORY  LIMIT  USED  STARTS  STATE
files        4.0K    16M    1%       1  running
log             0   1.0M    0%      12  failed
spare           0      0    0%       0  stopped

PID  MEMORY         TIME  STATE    COMMAND
  1    1.0M     01:02:05  running  sh
  7    300K        01:01  running  /bin/sleep 100
 12       0  01-01:01:01  ended    cat
"""
SERVICES = """\
NAME   STATE    STARTS  MEMORY  LIMIT    SINCE
files  running       1    4.0K    16M   0.001s
log    failed       12       0   1.0M  61.002s
spare  stopped       0       0      0        -
"""
CAPS = """\
files
├── offer  endpoint  receive  from init
├── clock  endpoint  use      from rtc
└── image  image     all      from kernel
log
└── port  ports  112+2  from machine
spare
└── nothing
"""
DF = """\
Filesystem  1K-blocks  Used  Available  Use%  Mounted on
memory           2048     1       2048    1%  /
memory              4     4          0  100%  /tmp
device              0     0          0     -  /dev
"""


@pytest.mark.parametrize("options", [[], ["-e"], ["-A"], ["-eA"]])
def test_ps_lists_all_programs(machine: Machine, options: list[str]) -> None:
    assert machine.run("ps", *options) == Result(PS)


def test_ps_asks_until_nothing_comes(machine: Machine) -> None:
    machine.programs.answer = 60  # one item in each answer
    assert machine.run("ps") == Result(PS)


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["-p", "7", "-o", "ppid pgid mem time"], "PPID  PGID  MEMORY   TIME\n   1     7    300K  01:01\n"),
        (["-o", "pid,comm", "-p", "1,12"], "PID  COMMAND\n  1  sh\n 12  cat\n"),
        (["-opid=", "-ocomm=", "-p1 7"], "1  sh\n7  /bin/sleep 100\n"),
        (["-o", "vsz etime s", "-p12"], "VSZ      ELAPSED  STATE\n  0  01-01:01:01  ended\n"),
        (["-o", "pid,args=A, B", "-p", "1"], "PID  A, B\n  1  sh\n"),
    ],
)  # fmt: skip
def test_ps_shows_the_columns_and_programs_that_are_asked_for(
    machine: Machine, arguments: list[str], output: str
) -> None:
    assert machine.run("ps", *arguments) == Result(output)


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        (["-o", "pid,tty"], "ps: unknown column 'tty'\n"),
        (["-p", "x"], "ps: 'x' is not a program's number\n"),
        (["-z"], "ps: invalid option -- 'z'\n"),
        (["x"], "usage: ps [-eA] [-p NUMBERS] [-o COLUMNS]\n"),
    ],
)
def test_ps_refuses_what_it_does_not_know(machine: Machine, arguments: list[str], errors: str) -> None:
    assert machine.run("ps", *arguments) == Result("", 1, errors)


def test_ps_tells_that_there_is_no_such_program(machine: Machine) -> None:
    assert machine.run("ps", "-o", "pid", "-p", "99") == Result("PID\n", 1)


def test_ps_does_not_believe_nonsense(machine: Machine) -> None:
    machine.programs.programs = [b"1 0 x running 0 0 sh"]
    assert machine.run("ps").status == 1
    machine.programs.programs = [b"1 0 1 running 0"]
    assert machine.run("ps").errors == "ps: Programs.list: the service's answer makes no sense\n"


def test_top_lists_once_without_a_terminal(machine: Machine) -> None:
    assert machine.run("top") == Result(TOP)
    assert machine.pauses == []


def test_top_in_batches(machine: Machine) -> None:
    result = machine.run("top", "-b", "-n", "3", "-d", "0.25")
    # Time passes in the pauses: a quarter of a second each.
    assert result == Result("\n".join([TOP] * 3))
    assert machine.pauses == [250_000_000] * 2


def test_top_fills_the_screen_and_no_more(machine: Machine) -> None:
    machine.terminal = True
    machine.console.rows = 8
    result = machine.run("top", "-n2")
    first = "\x1b[H\x1b[J" + "".join(TOP.splitlines(keepends=True)[:7])
    assert result.output == first + first.replace("01:01:01", "01:01:02")
    assert machine.pauses == [10**9]


@pytest.mark.parametrize("arguments", [["-d", "x"], ["-d", "1.x"], ["-n", "-1"], ["more"]])
def test_top_refuses(machine: Machine, arguments: list[str]) -> None:
    result = machine.run("top", *arguments)
    assert (result.status, result.output) == (1, "")
    assert result.errors.startswith(("top: '", "usage: top"))


@pytest.mark.parametrize(
    ("option", "row"),
    [
        ([], "memory:  131072  40960  90111\n"),
        (["-k"], "memory:  131072  40960  90111\n"),
        (["-b"], "memory:  134217728  41944040  92273688\n"),
        (["-m"], "memory:    128    40    87\n"),
        (["-h"], "memory:   128M   41M   88M\n"),
        (["-bh"], "memory:   128M   41M   88M\n"),
    ],
)
def test_free(machine: Machine, option: list[str], row: str) -> None:
    result = machine.run("free", *option)
    assert (result.status, result.errors) == (0, "")
    heading, values = result.output.splitlines(keepends=True)
    assert (heading.split(), values) == (["total", "used", "free"], row)
    assert len(heading) == len(values)


def test_df(machine: Machine) -> None:
    assert machine.run("df") == Result(DF)
    assert machine.run("df", "-k") == Result(DF)
    assert machine.run("df", "-P") == Result(
        DF.replace("1K-blocks", "1024-blocks").replace("Use%", "Capacity")
        .replace("   1%", "       1%").replace("100%", "    100%").replace("  -", "      -")
        .replace("memory   ", "memory     ").replace("device   ", "device     ")
    )  # fmt: skip


def test_df_of_files(machine: Machine) -> None:
    heading, root, tmp, _ = machine.run("df", "-h").output.splitlines(keepends=True)
    assert machine.run("df", "-h", "/tmp/a", "x") == Result(heading + tmp + root)
    # Not one of the mount /tmp, though it begins like one.
    assert machine.run("df", "-h", "/tmpfile") == Result(heading + root)
    result = machine.run("df", "/missing")
    assert result == Result("", 1, "df: /missing: not found\n")


def test_df_follows_dots(machine: Machine) -> None:
    assert machine.run("df", "/tmp/./..//tmp").output.endswith(" /tmp\n")


def test_mount(machine: Machine) -> None:
    assert machine.run("mount") == Result("memory on / (rw)\nmemory on /tmp (rw)\ndevice on /dev (rw)\n")
    result = machine.run("mount", "/dev/disk", "/mnt")
    assert (result.status, result.output) == (1, "")


def test_uptime(machine: Machine) -> None:
    assert machine.run("uptime") == Result("12:34:56 up 01:01:01, 2 programs\n")
    machine.without = {"clock"}
    machine.programs.programs = machine.programs.programs[:1]
    machine.up = 59 * 10**9
    assert machine.run("uptime") == Result("up 00:59, 1 program\n")


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_services_lists(machine: Machine, arguments: list[str]) -> None:
    machine.supervisor.answer = 50
    assert machine.run("services", *arguments) == Result(SERVICES)


def test_services_commands(machine: Machine) -> None:
    assert machine.run("services", "stop", "log", "files") == Result("")
    assert machine.run("services", "start", "log") == Result("")
    assert machine.run("services", "restart", "spare", "nope", "log") == Result(
        "", 1, "services: nope: no such component\n"
    )
    expected = [("stop", b"log"), ("stop", b"files"), ("start", b"log"), ("restart", b"spare"), ("restart", b"log")]
    assert machine.supervisor.commands == expected


def test_services_tells_why_init_refuses(machine: Machine) -> None:
    machine.supervisor.refusal = Denied
    text = "services: stop log: the service refuses it to this program\n"
    assert machine.run("services", "stop", "log") == Result("", 1, text)
    machine.supervisor.refusal = BadArgument
    assert machine.run("services", "start", "log") == Result("", 1, "services: log: it runs already\n")


@pytest.mark.parametrize("arguments", [["stop"], ["enable", "log"], ["list", "log"]])
def test_services_usage(machine: Machine, arguments: list[str]) -> None:
    result = machine.run("services", *arguments)
    assert (result.status, result.output) == (1, "")
    assert result.errors.startswith("usage: services")


def test_caps(machine: Machine) -> None:
    machine.supervisor.answer = 40
    assert machine.run("caps") == Result(CAPS)
    assert machine.run("caps", "log", "nope") == Result(
        "log\n└── port  ports  112+2  from machine\n", 1, "caps: nope: no such component\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1023, "1023"), (1024, "1.0K"), (1025, "1.1K"), (10137, "9.9K"), (10138, "10K"), (10240, "10K"),
        (10241, "11K"), (1023 * 1024, "1023K"), (1023 * 1024 + 1, "1.0M"), (1 << 20, "1.0M"), (1 << 60, "1.0E"),
        ((1 << 60) - 1, "1.0E"), ((1 << 64) - 1, "16E"), (5 << 30, "5.0G"),
    ],
)  # fmt: skip
def test_sizes_for_people(value: int, text: str) -> None:
    assert bytes(formats.human(U64(value)).content).decode() == text


@pytest.mark.parametrize(
    ("part", "whole", "result"), [(0, 0, 0), (0, 5, 0), (1, 3, 34), (3, 3, 100), (1 << 63, 1 << 63, 100)]
)
def test_percentages(part: int, whole: int, result: int) -> None:
    assert formats.percent(U64(part), U64(whole)) == result


def test_nothing_disturbs_the_terminal() -> None:
    assert bytes(formats.printable(data("a\x1b[2Jé\x7f\n".encode())).content).decode() == "a\\x1b[2Jé\\x7f\\x0a"
    assert formats.columns_of(data("aé€".encode())) == 3


def test_policy(machine: Machine) -> None:
    found = machine.run("policy")
    assert found == Result(
        "SUBJECT     OBJECT      OPERATIONS\n"
        "system      system      transfer,call,signal,share,control,inspect\n"
        "system      dri\\x1bver  signal,share\n"
        "dri\\x1bver  system      transfer,call\n"
        "2           system      control,inspect\n"
    )
    machine.policy.names = []
    assert machine.run("policy") == Result("no policy: everything is allowed that a capability permits\n")
    machine.without.add("policy")
    assert machine.run("policy").status == 1
    assert machine.run("policy", "x").errors == "usage: policy\n"
