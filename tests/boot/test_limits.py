"""`ulimit` in the machine: programs, and what they start, get no more than it says; the shell and others go on."""

from __future__ import annotations

from cloudos.host import counted
from cloudos.host.console_session import Script

PROMPT = rb"cloudos:/\$ \x1b\[J"


def command(script: Script, line: str) -> list[str]:
    """Type a command at the prompt; the lines that it shows."""
    script.type(line.encode() + b"\r")
    shown = script.expect(rb"\r\n(.*?)\r" + PROMPT)[1]
    return str(shown.decode().replace("\r\n", "\n")).splitlines()


def test_limits_hold_for_programs_and_for_what_those_start() -> None:
    with counted.system_console("system") as script:
        script.expect(PROMPT)
        own, names = int(command(script, "ulimit -v")[0]), command(script, "ulimit -a")
        assert 400 < own < 64 << 10
        assert names[2:] == ["nofiles              32193", f"vmemory(kbytes)      {own}"]
        many = "seq 20000 | sort -n | tail -n 1"
        assert command(script, many) == ["20000"]
        assert command(script, f"(ulimit -v 500; ulimit -v; sh -c 'ulimit -v'; sh -c '{many}')")[:2] == ["500", "500"]
        # Not enough for the numbers; the same program with fewer has enough, and so has the shell afterwards.
        assert "20000" not in command(script, f"(ulimit -v 500; {many})")
        assert "20000" not in command(script, f"(ulimit -v 500; sh -c '{many}')")
        assert command(script, "(ulimit -v 500; seq 200 | sort -n | tail -n 1)") == ["200"]
        assert command(script, many) == ["20000"]
        assert command(script, "(ulimit -v 0; ls)")[0].endswith("ls: cannot run: QuotaExceeded")
        files = "cd /tmp; n=$(seq 60); echo x | tee $n > /dev/null; cat * | wc -l; rm -f *"
        assert command(script, f"sh -c '{files}'") == ["60"]
        limited = command(script, f"(ulimit -n 63; sh -c '{files}')")
        assert 20 < int(limited[-1]) < 50, limited
        assert "Operation not permitted" in command(script, "(ulimit -v 500; ulimit -v 501)")[0]
        assert "Operation not permitted" in command(script, "(ulimit -n 63; sh -c 'ulimit -n 64')")[-1]
        assert "does not count" in command(script, "times")[0]
        script.type(b"exit 0\r")
        assert script.finish() == 0
