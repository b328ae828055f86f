"""Manifests of components and images: what they say is what is read, and every mistake is told with file and line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.abi.toml_lines import Lines
from cloudos.abi.wiring import GRANTS, POLICIES, USES
from cloudos.host import manifest, state, system_image, wiring
from cloudos.host.component import FLAGS, KEYS, read_component
from cloudos.host.errors import NotFound, ToolError
from cloudos.host.manifest_values import ManifestError
from cloudos.host.system_wiring import System, wired
from cloudos.host.wiring import RESOURCES, Wired, WiringError
from tests.unit.host.image_files import CLOCK, FILES, IMAGE, SERIAL, component, image, need, small_system

FULL = """\
name = "uart"
description = "a driver"
program = "main.py"
offers = ["cloudos.contracts.devices:Serial", "cloudos.contracts.streams:Stream"]
label = "driver"
arguments = ["baud=115200", "two words"]

[needs.log]
contract = "cloudos.contracts.logs:Log"

[needs.files]
contract = "cloudos.contracts.files:Files"
mint = true
told = true

[needs.clock]
contract = "cloudos.contracts.devices:Clock"
optional = true

[[ports]]
name = "data"
first = 0x3E8
length = 8

[[registers]]
name = "window"
first = 0xFEB0_0000
length = 8192

[[interrupt]]
name = "line"
line = 5
flags = ["level", "low"]

[grants]
records = "audit"

[quota]
memory = "2M"

[schedule]
priority = 110
budget = "2ms"
period = "10ms"

[restart]
policy = "on-failure"
limit = 5
backoff = "1s"

[state]
bytes = "4K"
"""


def write(folder: Path, text: str) -> Path:
    """A component with this manifest."""
    (folder / "main.py").write_text("")
    (folder / "component.toml").write_text(text)
    return folder


def test_every_key_of_a_component(tmp_path: Path) -> None:
    one = read_component(write(tmp_path, FULL))
    assert (one.name, one.description, one.program) == ("uart", "a driver", tmp_path / "main.py")
    assert one.offers == (SERIAL, "cloudos.contracts.streams:Stream")
    assert [(n.name, n.use, n.optional, n.told) for n in one.needs] == [
        ("log", "use", False, False),
        ("files", "mint", False, True),
        ("clock", "use", True, False),
    ]
    assert [(r.kind, r.name, r.first, r.length) for r in one.resources] == [
        ("ports", "data", 0x3E8, 8),
        ("registers", "window", 0xFEB00000, 8192),
        ("interrupt", "line", 5, 3),
    ]
    assert [(g.name, g.kind) for g in one.grants] == [("records", "audit")]
    assert (one.memory, one.state, one.label) == (2 << 20, 4096, "driver")
    assert (one.schedule.priority, one.schedule.budget, one.schedule.period) == (110, 2_000_000, 10_000_000)
    assert (one.restart.policy, one.restart.limit, one.restart.backoff) == ("on-failure", 5, 1_000_000_000)
    assert one.arguments == ("baud=115200", "two words")


def test_what_a_component_need_not_say(tmp_path: Path) -> None:
    one = read_component(write(tmp_path, "\n".join(FULL.splitlines()[:3])))
    assert (one.offers, one.needs, one.resources, one.grants, one.arguments) == ((), (), (), (), ())
    assert (one.memory, one.state, one.label, one.restart.policy) == (1 << 20, 0, "", "never")
    assert (one.schedule.priority, one.schedule.budget, one.schedule.period) == (100, 10_000_000, 10_000_000)


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        ('name = "uart"', 'name = "Uart"', "name =", "'Uart' is not a name"),
        ('name = "uart"', 'name = "init"', "name =", "init is the first process"),
        ('description = "a driver"', "", None, "'description' is missing"),
        ('description = "a driver"', "description = 5", "description", "5 is not a text of one line"),
        ('"main.py"', '"other.py"', "program", "there is no file other.py beside the manifest"),
        ('"main.py"', '"../main.py"', "program", "there is no file"),
        ("label =", "lable =", "lable", "unknown key 'lable'"),
        ("mint = true", "mint = 1", "mint", "1 is neither true nor false"),
        ("mint = true", "mint = true\nsignal = true", "signal", "either minted from or signalled"),
        ("mint = true", "minted = true", "minted", "unknown key 'minted' in needs files"),
        ("files:Files", "files:File", 'contract = "cloudos.contracts.files', "has no contract File"),
        ("logs:Log", "log:Log", 'contract = "cloudos.contracts.log', "there is no module cloudos.contracts.log"),
        ("devices:Clock", "devices", 'contract = "cloudos.contracts.devices"', "does not name a contract"),
        ("devices:Serial", "streams:Stream", "offers", "a contract is named twice"),
        ("offers = [", "offers = [1, ", "offers", "is not a list of texts"),
        ("[needs.log]", "[needs.offer]", "[needs.offer]", "a name that init itself uses"),
        ('name = "line"', 'name = "data"', "[[interrupt]]", "'data' is named already in line 20"),
        ("first = 0x3E8", "first = 0x1_0000", "first", "65536 is out of range"),
        ("length = 8\n", "length = 65535\n", "length", "65535 is out of range"),
        ("first = 0x3E8", "", "[[ports]]", "'first' is missing in ports 1"),
        ("first = 0xFEB0_0000", "first = 0xFEB0_0010", "first = 0xFEB", "whole pages"),
        ("line = 5", "line = 256", "line = 256", "256 is out of range"),
        ("line = 5", 'line = "5"', 'line = "5"', "'5' is not a whole number"),
        ('"level", "low"', '"edge"', "flags", "there is no flag 'edge'"),
        ('records = "audit"', 'records = "console"', "records", "there is no grant 'console'"),
        ('memory = "2M"', 'memory = "2 MB"', "memory", "is not a number with a unit"),
        ('memory = "2M"', 'memory = "1K"', "memory", "1K is out of range"),
        ('memory = "2M"', "memory = true", "memory", "True is not a number"),
        ("[quota]", "[quota]\nfingers = 5", "fingers", "unknown key 'fingers' in quota"),
        ("priority = 110", "priority = 129", "priority", "129 is out of range"),
        ('budget = "2ms"', "budget = 2", "budget", "2 is not a number with a unit of ns, us, ms, s"),
        ('budget = "2ms"', 'budget = "20ms"', "budget", "longer than the period"),
        ('period = "10ms"', 'period = "2h"', "period", "is not a number with a unit"),
        ('"on-failure"', '"sometimes"', "policy", "there is no policy 'sometimes'"),
        ("limit = 5", "limit = -1", "limit", "-1 is out of range"),
        ('bytes = "4K"', 'bytes = "2M"', "bytes", "2M is out of range"),
        ("[state]", "[[state]]", "[[state]]", "is not a table"),
        ("[[ports]]", "[ports]", "[ports]", "not a list of tables"),
        ('arguments = ["baud', 'arguments = ["\\n', "arguments", "not a list of texts of one line"),
        ("[restart]", "[restart", "[restart", "not TOML"),
        (
            "[[interrupt]]",
            '[[ports]]\nname = "more"\nfirst = 0x3EF\nlength = 1\n[[interrupt]]',
            '[[ports]]\nname = "more"',
            "ports 'more' of uart overlaps 'data' of uart",
        ),
    ],
)
def test_mistakes_in_a_component(tmp_path: Path, old: str, new: str, at: str | None, message: str) -> None:
    assert old in FULL
    text = FULL.replace(old, new, 1)
    line = text[: text.index(at)].count("\n") + 1 if at else 1
    with pytest.raises(ManifestError, match=re.escape(message)) as caught:
        read_component(write(tmp_path, text))
    assert caught.value.message.startswith(f"{tmp_path / 'component.toml'}:{line}: ")
    assert caught.value.hint


def load(path: Path) -> System:
    return system_image.load(str(path))


def test_needs_are_wired_and_servers_start_first(tmp_path: Path) -> None:
    system = load(small_system(tmp_path))
    links = {(link.user, link.need.name): (link.server, link.need.use) for link in system.links}
    assert links == {
        ("sh", "console"): ("terminal", "use"),
        ("sh", "files"): ("files", "mint"),
        ("sh", "clock"): ("rtc", "use"),
        ("sh", "init"): ("init", "use"),
        ("files", "clock"): ("rtc", "use"),
        ("terminal", "serial"): ("uart", "use"),
        ("uart", "files"): ("files", "signal"),
    }
    order = [one.component.name for one in system.placed]
    for link in system.links:
        if link.server != "init" and link.need.use != "signal":
            assert order.index(link.server) < order.index(link.user)


def test_an_image_changes_what_its_components_say(tmp_path: Path) -> None:
    component(tmp_path, "one", 'arguments = ["x"]\n[schedule]\npriority = 90\nbudget = "1ms"\n')
    changes = 'arguments = []\nquota.memory = "3M"\nschedule = { priority = 80, period = "20ms" }\n'
    (one,) = load(image(tmp_path, "one", text=changes)).placed
    assert (one.component.arguments, one.component.memory) == ((), 3 << 20)
    schedule = one.component.schedule
    assert (schedule.priority, schedule.budget, schedule.period) == (80, 1_000_000, 20_000_000)


def test_an_optional_need_that_nobody_serves_is_left_out(tmp_path: Path) -> None:
    component(tmp_path, "one", need("clock", CLOCK, "optional = true"))
    assert load(image(tmp_path, "one")).links == ()


def test_a_need_may_be_wired_to_one_of_several(tmp_path: Path) -> None:
    for name in ("a", "b"):
        component(tmp_path, name, offers=FILES)
    component(tmp_path, "user", need("files", FILES))
    (link,) = load(image(tmp_path, "a", "b", "user", text='needs = { files = "b" }\n')).links
    assert link.server == "b"


def test_who_only_signals_does_not_wait_for_its_server(tmp_path: Path) -> None:
    component(tmp_path, "a", need("clock", CLOCK), FILES)
    component(tmp_path, "b", need("files", FILES, "signal = true"), CLOCK)
    system = load(image(tmp_path, "a", "b"))
    assert [one.component.name for one in system.placed] == ["b", "a"]


POLICY = """\
labels = ["system", "driver", "service"]

[[allow]]
subject = "system"
object = "*"
operations = "*"

[[allow]]
subject = "service"
object = ["driver"]
operations = ["call"]
"""


def test_labels_are_numbers_of_the_policy(tmp_path: Path) -> None:
    component(tmp_path, "uart", 'label = "driver"\n', SERIAL)
    component(tmp_path, "user", need("serial", SERIAL))
    (tmp_path / "policy.toml").write_text(POLICY)
    system = load(image(tmp_path, "uart", "user", head='policy = "./policy.toml"\nlabel = "service"\n'))
    assert [(one.name, one.label) for one in wired(system)] == [("uart", 1), ("user", 2)]


def test_the_policy_service_is_told_what_the_labels_are_called(tmp_path: Path) -> None:
    component(tmp_path, "watch", 'arguments = ["first"]\n', "cloudos.contracts.policies:Policies")
    component(tmp_path, "user", need("watch", "cloudos.contracts.policies:Policies"))
    system = load(image(tmp_path, "watch", "user"))
    assert [one.arguments for one in wired(system)] == [["first"], []]
    (tmp_path / "policy.toml").write_text(POLICY.replace('"driver"', '"dri\\nver"'))
    system = load(image(tmp_path, "watch", "user", head='policy = "./policy.toml"\nlabel = "system"\n'))
    assert wired(system)[0].arguments == ["first", "label=0:system", "label=1:dri?ver", "label=2:service"]


def two_servers(folder: Path) -> Path:
    for name in ("a", "b"):
        component(folder, name, offers=FILES)
    component(folder, "user", need("files", FILES))
    return image(folder, "a", "b", "user")


def no_server(folder: Path) -> Path:
    component(folder, "user", need("files", FILES))
    return image(folder, "user")


def unknown_wire(folder: Path) -> Path:
    component(folder, "a", need("clock", CLOCK))
    return image(folder, "a", text='needs.clock = "b"\n')


def wire_without_need(folder: Path) -> Path:
    component(folder, "a")
    return image(folder, "a", text='needs.clock = "b"\n')


def mismatch(folder: Path) -> Path:
    component(folder, "a", offers=FILES)
    component(folder, "b", need("clock", CLOCK))
    return image(folder, "a", "b", text='[components.needs]\nclock = "a"\n')


def circle(folder: Path) -> Path:
    component(folder, "a", need("x", SERIAL), offers=FILES)
    component(folder, "b", need("y", CLOCK), offers=SERIAL)
    component(folder, "c", need("z", FILES), offers=CLOCK)
    return image(folder, "a", "b", "c")


def own_need(folder: Path) -> Path:
    component(folder, "a", need("x", FILES), offers=FILES)
    return image(folder, "a")


def minted_from_init(folder: Path) -> Path:
    component(folder, "a", need("x", "cloudos.contracts.supervisor:Supervisor", "mint = true"))
    return image(folder, "a")


def same_name(folder: Path) -> Path:
    component(folder, "a")
    return image(folder, "a", "a")


def label_without_policy(folder: Path) -> Path:
    component(folder, "a", 'label = "driver"\n')
    return image(folder, "a")


def policy_without_label(folder: Path) -> Path:
    component(folder, "a")
    (folder / "policy.toml").write_text(POLICY)
    return image(folder, "a", head='policy = "./policy.toml"\n')


def unknown_label(folder: Path) -> Path:
    component(folder, "a")
    (folder / "policy.toml").write_text(POLICY)
    return image(folder, "a", head='policy = "./policy.toml"\n', text='label = "guest"\n')


def forbidden_call(folder: Path) -> Path:
    component(folder, "a", 'label = "service"\n', FILES)
    component(folder, "b", 'label = "driver"\n' + need("files", FILES))
    (folder / "policy.toml").write_text(POLICY)
    return image(folder, "a", "b", head='policy = "./policy.toml"\n')


def unknown_program_label(folder: Path) -> Path:
    component(folder, "a")
    return image(folder, "a", head='program_label = "guest"\n')


def less_than_needed(folder: Path) -> Path:
    component(folder, "a")
    return image(folder, "a", head='usual = "32M"\n')


def bad_policy(folder: Path) -> Path:
    component(folder, "a")
    (folder / "policy.toml").write_text(POLICY.replace('"call"', '"fly"'))
    return image(folder, "a", head='policy = "./policy.toml"\n')


def no_policy_file(folder: Path) -> Path:
    component(folder, "a")
    return image(folder, "a", head='policy = "./policy.toml"\n')


def same_ports(folder: Path) -> Path:
    for name, first in (("a", 0x60), ("b", 0x64)):
        component(folder, name, f'[[ports]]\nname = "p"\nfirst = {first}\nlength = 5\n')
    return image(folder, "a", "b")


def same_line(folder: Path) -> Path:
    for name in ("a", "b"):
        component(folder, name, '[[interrupt]]\nname = "l"\nline = 8\n')
    return image(folder, "a", "b")


def quotas(folder: Path) -> Path:
    for name in ("a", "b"):
        component(folder, name, '[quota]\nmemory = "40M"\n')
    return image(folder, "a", "b")


def nothing(folder: Path) -> Path:
    return image(folder)


def no_directory(folder: Path) -> Path:
    return image(folder, "a")


def no_component(folder: Path) -> Path:
    (folder / "a").mkdir()
    return image(folder, "a")


def small(folder: Path) -> Path:
    component(folder, "a")
    path = image(folder, "a")
    path.write_text(path.read_text().replace('"64M"', '"1M"'))
    return path


def entry(text: str) -> Callable[[Path], Path]:
    """An image with one component and some files; `text` begins in line 6."""

    def make(folder: Path) -> Path:
        component(folder, "a")
        (folder / "docs").mkdir()
        (folder / "docs" / "a.md").write_text("a")
        return image(folder, "a", text=text)

    return make


IN_IMAGE, IN_POLICY = "test.toml", "policy.toml"


@pytest.mark.parametrize(
    ("make", "file", "line", "message"),
    [
        (two_servers, IN_IMAGE, 9, "need 'files' of user may be served by a or b"),
        (no_server, "user/component.toml", 4, "no component of the image test offers cloudos.contracts.files:Files"),
        (unknown_wire, IN_IMAGE, 6, "there is no component 'b' in the image"),
        (wire_without_need, IN_IMAGE, 6, "a has no need 'clock'"),
        (mismatch, IN_IMAGE, 9, "a does not offer cloudos.contracts.devices:Clock"),
        (circle, "c/component.toml", 5, "components need each other in a circle: a -> b -> c -> a"),
        (own_need, "a/component.toml", 5, "a needs what it offers itself"),
        (minted_from_init, "a/component.toml", 4, "init cannot be minted"),
        (same_name, IN_IMAGE, 7, "there is a component 'a' already, in line 5"),
        (label_without_policy, "a/component.toml", 4, "a has the label 'driver', but the image has no policy"),
        (policy_without_label, IN_IMAGE, 6, "a has no label, but the image has a policy"),
        (unknown_label, IN_IMAGE, 7, "the policy has no label 'guest'"),
        (forbidden_call, "b/component.toml", 5, "b (driver) needs a (service), which the policy does not let it call"),
        (unknown_program_label, IN_IMAGE, 4, "the policy has no label 'guest'"),
        (less_than_needed, IN_IMAGE, 4, "32M is out of range"),
        (bad_policy, IN_POLICY, 11, "there is no operation 'fly'"),
        (no_policy_file, IN_IMAGE, 4, "cannot read"),
        (same_ports, "b/component.toml", 4, "ports 'p' of b overlaps 'p' of a"),
        (same_line, "b/component.toml", 4, "interrupt 'l' of b overlaps 'l' of a"),
        (quotas, IN_IMAGE, 3, "the quotas of the components are more than the 64 MB of the image"),
        (nothing, IN_IMAGE, 1, "an image has at least one"),
        (no_directory, IN_IMAGE, 5, "there is no directory"),
        (no_component, IN_IMAGE, 5, "component.toml: no such file"),
        (small, IN_IMAGE, 3, "1M is out of range"),
        (entry("colour = 1\n"), IN_IMAGE, 6, "unknown key 'colour' in components 1"),
        (entry('[[files]]\nfrom = "./docs/b.md"\nto = "/b"\n'), IN_IMAGE, 7, "there is no file"),
        (entry('[[files]]\nfrom = "./docs/*.txt"\nto = "/b/"\n'), IN_IMAGE, 7, "no file matches"),
        (entry('[[files]]\nfrom = "./docs/*.md"\nto = "/b"\n'), IN_IMAGE, 8, "a pattern may match several files"),
        (entry('[[files]]\nfrom = "./docs/a.md"\nto = "b"\n'), IN_IMAGE, 8, "'b' is not an absolute path"),
        (entry('[[files]]\nfrom = "./docs/a.md"\nto = "/b/../c"\n'), IN_IMAGE, 8, "has an empty part, . or .."),
        (entry('[[files]]\nfrom = "./docs/a.md"\nto = "/system/a"\n'), IN_IMAGE, 8, "for the programs of components"),
        (entry('[[programs]]\nfrom = "./x.py"\nto = "/bin/x"\n'), IN_IMAGE, 7, "there is no file"),
        (entry('[[programs]]\nfrom = "./a/main.py"\nto = []\n'), IN_IMAGE, 8, "the list is empty"),
        (entry('[[programs]]\nfrom = "./a/main.py"\nto = "/bin"\nnames = "N"\n'), IN_IMAGE, 8, "the directory that"),
    ],
)
def test_mistakes_in_an_image(tmp_path: Path, make: Callable[[Path], Path], file: str, line: int, message: str) -> None:
    path = make(tmp_path)
    with pytest.raises(ToolError, match=re.escape(message)) as caught:
        load(path)
    assert caught.value.message.startswith((f"{tmp_path / file}:{line}: ", f"{tmp_path / '.' / file}:{line}: "))
    assert caught.value.hint


def test_images_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no image 'none'") as caught:
        manifest.find("none")
    assert "services" in caught.value.hint
    with pytest.raises(NotFound, match="no such file"):
        load(tmp_path / "none.toml")
    assert manifest.find("services") == manifest.FOLDER / "services.toml"


def test_every_image_that_comes_with_cloudos_is_good() -> None:
    for path in manifest.available():
        assert load(path).manifest.name == path.stem


def test_patterns_keep_what_comes_behind_their_fixed_part(tmp_path: Path) -> None:
    component(tmp_path, "a")
    for name in ("x.md", "deep/y.md", "deep/z.txt"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found = load(image(tmp_path, "a", text='[[files]]\nfrom = "./docs/**/*.md"\nto = "/share/"\n')).manifest.files
    assert [file.guest for file in found] == ["/share/deep/y.md", "/share/x.md"]


WORD = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=9)
NUMBER = st.integers(0, 1 << 63)
TEXT = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=20)
WIRED = st.builds(
    Wired,
    name=WORD,
    program=WORD,
    memory=NUMBER,
    schedule=st.tuples(NUMBER, NUMBER, NUMBER),
    label=NUMBER,
    restart=st.tuples(st.sampled_from(POLICIES), NUMBER, NUMBER),
    state=NUMBER,
    arguments=st.lists(TEXT, max_size=3),
    offer=st.one_of(st.just(""), WORD),
    needs=st.lists(st.tuples(WORD, WORD, st.sampled_from(USES)), max_size=3),
    told=st.lists(WORD, max_size=3),
    resources=st.lists(st.tuples(st.sampled_from(RESOURCES), WORD, NUMBER, NUMBER), max_size=3),
    grants=st.lists(st.tuples(WORD, st.sampled_from(GRANTS)), max_size=3),
)


@given(st.lists(WIRED, max_size=4))
def test_wiring_that_is_written_is_what_is_read(components: list[Wired]) -> None:
    assert wiring.decode(wiring.encode(components)) == components


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("memory 5", 1),
        ("component a b\nmemory -5", 2),
        ("component a b\n\nmemory", 3),
        ("component a", 1),
        ("component a b\nschedule 1 2", 2),
        ("component a b\nrestart often 1 2", 2),
        ("component a b\nneed x y borrow", 2),
        ("component a b\ngrant x console", 2),
        ("component a b\nports x 1", 2),
        ("component a b\nfingers 5", 2),
        ("component a b\noffer", 2),
    ],
)
def test_text_that_is_no_wiring_is_refused(text: str, line: int) -> None:
    with pytest.raises(WiringError) as caught:
        wiring.decode(text)
    assert caught.value.line == line


KEY = st.from_regex(r"[a-z]{1,4}", fullmatch=True)


@given(st.lists(st.tuples(KEY, st.lists(KEY, max_size=3, unique=True)), max_size=6))
def test_lines_are_found_whatever_stands_between(tables: list[tuple[str, list[str]]]) -> None:
    lines: list[str] = []
    expected: dict[tuple[str | int, ...], int] = {}
    counts: dict[str, int] = {}
    for name, keys in tables:
        lines += ["", "# a = 1"]
        lines.append(f"[[{name}]]")
        number = counts[name] = counts.get(name, -1) + 1
        expected[name, number] = len(lines)
        for key in keys:
            lines.append(f"{key} = '''")
            expected[name, number, key] = len(lines)
            lines += ["[[x]]", f"{key}x = 2", "'''"]
    found = Lines("\n".join(lines))
    assert {path: found.line(*path) for path in expected} == expected
    assert all(found.line(*path[:2], "zzzzz") == expected[path[:2]] for path in expected)


def test_the_head_of_the_test_images_is_three_lines() -> None:
    assert IMAGE.count("\n") == 3


DOCUMENT = (state.ROOT / "docs" / "images.md").read_text()


def test_the_examples_of_the_document_are_good(tmp_path: Path) -> None:
    one, other = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert read_component(write(tmp_path, one)).schedule.budget == 2_000_000
    (tmp_path / "image.toml").write_text(other)
    system = load(tmp_path / "image.toml")
    assert [one.component.name for one in system.placed] == ["files", "pipes", "loader"]
    assert system.placed[0].component.memory == 12 << 20


def test_the_document_has_every_key() -> None:
    for keys in (KEYS, manifest.KEYS):
        rows = [key for key in keys if f"\n| `{key}` |" not in DOCUMENT]
        assert rows == []
    assert [key for key in manifest.COMPONENT_KEYS if f"`{key}`" not in DOCUMENT] == []
    assert [word for word in (*POLICIES, *GRANTS, *FLAGS) if f"`{word}`" not in DOCUMENT.replace('"', "")] == []
