"""Administration utilities in a machine, over init, loader, log, audit and file service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.boot.harness import ROOT, cloudos

NEEDS = {
    "stdout": "streams:Stream",
    "supervisor": "supervisor:Supervisor",
    "programs": "programs:Programs",
    "log": "logs:Log",
    "audit": "audits:Audit",
    "files": "files:Files",
}
COMPONENT = """\
name = "tryout"
description = "administration utilities, one after another"
program = "main.py"

[quota]
memory = "4M"

[schedule]
priority = 120

[restart]
policy = "machine"
""" + "".join(f'\n[needs.{name}]\ncontract = "cloudos.contracts.{path}"\n' for name, path in NEEDS.items())
IMAGE = """\
name = "tryout"
description = "administration utilities"
memory = "128M"
"""
SERVICES = ("log", "audit", "pipes", "files", "loader")


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command line wrote; one that came twice has its second output."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "tryout").mkdir()
    (folder / "tryout" / "component.toml").write_text(COMPONENT)
    program = ROOT / "tests" / "boot" / "programs" / "administration.py"
    (folder / "tryout" / "main.py").write_text(program.read_text())
    components = "".join(f'\n[[components]]\npath = "cloudos/services/{name}"\n' for name in SERVICES)
    components += '\n[[components]]\npath = "./tryout"\nneeds = { stdout = "init" }\n'
    files = '\n[[files]]\nfrom = "docs/man/ps.md"\nto = "/usr/share/man/ps.md"\n'
    path: Path = folder / "tryout.toml"
    path.write_text(IMAGE + components + files)
    found = cloudos("shell", "--image", path, "--timeout", "60", "--kernel-log").check(0)
    parts = re.split(r"^\$ (.*)\n", found.errors, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_components_are_listed_and_restarted(sections: dict[str, str]) -> None:
    # init starts it when its end is told, which may be after the next command has begun.
    assert re.search(r"pipes: started\n", "".join(sections.values()))
    rows = {line.split()[0]: line.split()[1:] for line in sections["services"].splitlines()}
    assert rows.pop("NAME") == ["STATE", "STARTS", "MEMORY", "LIMIT", "SINCE"]
    assert {name: row[:2] for name, row in rows.items()} == {
        name: ["running", "2" if name == "pipes" else "1"] for name in (*SERVICES, "tryout")
    }


def test_what_components_hold(sections: dict[str, str]) -> None:
    pipes, tryout = sections["caps pipes tryout"].split("tryout\n")
    assert pipes.splitlines() == ["pipes", *pipes.splitlines()[1:]]
    assert [line.split()[1:] for line in tryout.splitlines()] == [
        [
            name,
            "endpoint",
            "write" if name == "stdout" else "use",
            "from",
            {"stdout": "init", "supervisor": "init", "programs": "loader"}.get(name, name),
        ]
        for name in NEEDS
    ]


def test_memory(sections: dict[str, str]) -> None:
    total, used, free = (int(word) for word in sections["free"].splitlines()[1].split()[1:])
    assert 100 << 10 < total < 128 << 10
    # Each component's limit is taken from the start: 44 MB of services, 4 MB of this one.
    assert 48 << 10 <= used < 64 << 10
    assert total - used - 1 <= free <= total - used
    assert sections["top -b -n 1"].startswith("up 00:0")
    assert re.search(r"^tryout +\d+K +4.0M +\d+% +1 +running$", sections["top -b -n 1"], re.MULTILINE)


def test_files_and_records(sections: dict[str, str]) -> None:
    assert sections["ps"].split() == ["PID", "PPID", "PGID", "STATE", "MEMORY", "TIME", "COMMAND"]
    assert re.fullmatch(r"Filesystem.*\nmemory +2048 +0 +2048 +0% +/tmp\n", sections["df /tmp"])
    assert "memory on /tmp (rw" in sections["mount"]
    assert re.search(r"^\[ +\d\.\d{6}\] notice \S+: hello$", sections["log"], re.MULTILINE)
    counts = re.fullmatch(r"(\d+) records, (\d+) sound\n", sections["audit -v"])
    assert counts is not None and int(counts[1]) == int(counts[2]) > 5


def test_failures_have_their_status(sections: dict[str, str]) -> None:
    assert sections["kill 3"] == "kill: 3: no such program runs\nstatus 1\n"
    assert sections["hostname"] == "hostname: /etc/hostname: not found\nstatus 1\n"
    assert sections["help"].endswith("\nps  list programs\n")


def test_poweroff_stops_all_in_order(sections: dict[str, str]) -> None:
    assert re.findall(r"\] (\w+): ", sections["poweroff"])[:3] == ["tryout", "loader", "files"]
