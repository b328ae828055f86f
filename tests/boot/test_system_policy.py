"""The policy of the system image: what it lets whom do, and that handles alone let nobody do more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudos.abi.objects import ALL_OPERATIONS, Operation
from cloudos.host import counted, system_image
from cloudos.host.manifest import Policy, find, read_image
from tests.boot.harness import CLOCK_DRIVER, ROOT
from tests.boot.test_system_image import PROMPT, command, states

IMAGES = ROOT / "cloudos" / "images"
CARELESS = """
[[components]]
path = "tests/boot/careless"

[[programs]]
from = "tests/boot/careless/meddler.py"
to = ["/bin/meddler"]
"""
NEEDED = """
[[allow]]
subject = "storage"
object = ["names", "line"]
operations = ["call", "transfer"]
"""
"""What the careless component needs for itself."""

ANYTHING = """
[[allow]]
subject = "program"
object = "*"
operations = "*"
"""
DENIED = "not shared\nnot heard\nnot looked at\nnot ended\n"
DONE = "shared\nheard\nlooked at\nended\n"


def image_with(folder: Path, more: str) -> system_image.SystemImage:
    """The system image with a careless component, and with more in its policy."""
    (folder / "policy.toml").write_text((IMAGES / "policies" / "system.toml").read_text() + more)
    text = (IMAGES / "system.toml").read_text().replace('"cloudos/images/policies/system.toml"', '"./policy.toml"')
    manifest = folder / "system.toml"
    manifest.write_text(text.replace('memory = "8M"', 'memory = "16M"', 1) + CARELESS)
    return system_image.build(system_image.load(str(manifest)))


def refused(audit: str) -> list[tuple[str, str, str]]:
    """Who was denied what to whom, from what `audit` shows: labels and the class of operations."""
    pattern = r"DENIED #\d+ subject=\d+ object=\d+ labels=(\d+)>(\d+) detail=\d+\((\w+)\)"
    return [(found[1], found[2], found[3]) for found in re.finditer(pattern, audit)]


def test_what_a_program_got_hold_of_is_of_no_use_and_each_attempt_is_on_record(tmp_path: Path) -> None:
    made = image_with(tmp_path, NEEDED)
    with counted.console(made.kernel, made.content) as script:
        script.expect(PROMPT)
        # What is not meddling goes on as without a policy, also what lends memory.
        assert command(script, b'/bin/echo "$(seq 3000)" | sort | wc -l') == "3000\n"
        assert command(script, b"sh -c '/bin/echo \"$(seq 3000)\" | wc -l'") == "3000\n"
        line = f"date > /tmp/now; services restart {CLOCK_DRIVER}; log -w notice x; help ls | wc -c > /dev/null"
        assert command(script, line.encode()) == ""
        assert refused(command(script, b"audit")) == []
        assert command(script, b"meddler") == DENIED
        rules = made.system.manifest.policy
        assert rules is not None
        number = {name: str(place) for name, place in rules.labels.items()}
        found = refused(command(script, b"audit"))
        who = number["program"]
        assert found == [
            (who, number["names"], "SHARE"),
            (who, number["line"], "CALL"),
            (who, number["storage"], "INSPECT"),
            (who, number["storage"], "CONTROL"),
        ]
        assert states(command(script, b"services"))["careless"] == ("running", "1")


def test_it_is_the_policy_that_stops_it(tmp_path: Path) -> None:
    made = image_with(tmp_path, NEEDED + ANYTHING)
    with counted.console(made.kernel, made.content) as script:
        script.expect(PROMPT)
        assert command(script, b"meddler").replace("!", "") == DONE
        assert refused(command(script, b"audit")) == []
        assert states(command(script, b"services"))["careless"][0] != "running"


@pytest.fixture(scope="module")
def policy() -> Policy:
    found = read_image(find("system")).policy
    assert found is not None
    return found


def allowed(policy: Policy, subject: str, object: str) -> Operation:
    """The classes of operations that one label may do to another."""
    return Operation(policy.matrix[policy.labels[subject] * len(policy.labels) + policy.labels[object]])


def who_may(policy: Policy, operation: Operation, object: str) -> set[str]:
    """The labels that may do something to one."""
    return {one for one in policy.labels if operation in allowed(policy, one, object)}


def test_only_init_and_the_loader_have_power_over_processes(policy: Policy) -> None:
    for label in policy.labels:
        wanted = {"init": set(), "program": {"loader", "program"}}.get(label, {"init"})
        assert who_may(policy, Operation.CONTROL, label) == wanted
        assert who_may(policy, Operation.INSPECT, label) == wanted


def test_drivers_are_called_by_their_users_and_call_nobody_but_the_log(policy: Policy) -> None:
    assert who_may(policy, Operation.CALL, "line") == {"console"}
    assert who_may(policy, Operation.CALL, "clock") == {"storage", "shell", "program"}
    for label in policy.labels:
        assert not allowed(policy, "line", label)
        assert allowed(policy, "clock", label) in (Operation(0), Operation.CALL)
        assert (label == "record") == (Operation.CALL in allowed(policy, "clock", label))


def test_who_only_answers_may_do_nothing(policy: Policy) -> None:
    for label in ("record", "source"):
        assert all(not allowed(policy, label, other) for other in policy.labels)
    assert all(allowed(policy, one, "init") in (Operation(0), Operation.CALL) for one in policy.labels)
    assert allowed(policy, "program", "program") == Operation(ALL_OPERATIONS)
