"""System images: what is in the bundle, that nothing is compiled twice, and what is refused while it is built."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from cloudos.compiler.diagnostics import CompileError
from cloudos.host import bundle, elf, programs, state, system_image, wiring
from cloudos.host.bundle import Kind
from cloudos.host.errors import NotFound, ToolError
from cloudos.host.image import program_file
from cloudos.host.image_commands import build as build_files
from cloudos.host.manifest_values import ManifestError
from cloudos.host.system_image import SystemImage
from tests.unit.host.image_files import FILES, PROGRAM, component, image, need

TOOLS = """\
from __future__ import annotations

from cloudos.sdk import print

NAMES = tuple(f"tool{n}" for n in range(3))
NOTHING = ()


def main() -> None:
    print("a tool")
"""
POLICY = 'labels = ["system"]\n[[allow]]\nsubject = "*"\nobject = "*"\noperations = "*"\n'


def prepared(folder: Path, text: str = "") -> Path:
    """An image with two components, a program of several names, a file, a directory and a policy."""
    component(folder, "files", "[state]\nbytes = 100\n", FILES)
    component(folder, "user", need("files", FILES))
    (folder / "tools.py").write_text(TOOLS)
    (folder / "note.txt").write_text("a note\n")
    (folder / "policy.toml").write_text(POLICY)
    head = 'policy = "./policy.toml"\nlabel = "system"\ndirectories = ["/home"]\n'
    more = '[[programs]]\nfrom = "./tools.py"\nto = "/bin/"\nnames = "NAMES"\n'
    more += '[[programs]]\nfrom = "./tools.py"\nto = ["/bin/tool", "/sbin/tool"]\n'
    return image(folder, "user", "files", head=head, text=f'{more}[[files]]\nfrom = "./*.txt"\nto = "/share/"\n{text}')


def build(path: Path) -> SystemImage:
    return system_image.build(system_image.load(str(path)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SystemImage:
    """The prepared image, built once."""
    return build(prepared(tmp_path_factory.mktemp("image")))


def test_the_bundle_has_everything_that_init_needs(made: SystemImage) -> None:
    entries = bundle.decode(made.content)
    assert entries == list(made.entries)
    kinds = [entry.kind for entry in entries if entry.kind is not Kind.FILE]
    assert kinds == [Kind.PROGRAM, Kind.ARGUMENT, Kind.WIRING, Kind.POLICY]
    components = wiring.decode(entries[2].data.decode())
    assert [one.name for one in components] == ["files", "user"], "servers start first"
    assert components[1].needs == [("files", "files", "use")]
    assert components[0].state == 100
    files = {entry.name.decode(): entry.data for entry in entries if entry.kind is Kind.FILE}
    tools = {f"/bin/tool{end}" for end in ("", "0", "1", "2")} | {"/sbin/tool"}
    assert set(files) == {"/system/files", "/system/user", "/share/note.txt", "/home/", *tools}
    assert files["/share/note.txt"] == b"a note\n"
    assert files["/home/"] == b""
    assert len({files[tool] for tool in tools}) == 1
    for one in components:
        assert files[one.program].startswith(b"\x7fELF")


def test_equal_contents_are_in_the_bundle_once(made: SystemImage) -> None:
    tool = next(entry.data for entry in made.entries if entry.name == b"/bin/tool")
    assert made.content.count(tool) == 1
    distinct = {entry.data for entry in made.entries}
    assert len(made.content) < sum(len(data) + bundle.PAGE for data in distinct) + bundle.PAGE


def test_a_second_build_compiles_nothing_and_is_quick(made: SystemImage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something is compiled again")

    monkeypatch.setattr(programs, "_work", refuse)
    monkeypatch.setattr("cloudos.host.image.compile_program", refuse)
    start = time.monotonic()
    again = build(made.system.manifest.path)
    assert time.monotonic() - start < 1.5
    assert again.content == made.content


def test_only_what_changed_is_compiled(tmp_path: Path) -> None:
    path = prepared(tmp_path)
    build(path)
    before = {name: program_file(tmp_path / name, "x86_64", small=True).stat().st_mtime_ns for name in SOURCES}
    (tmp_path / "tools.py").write_text(TOOLS.replace("range(3)", "range(4)").replace("a tool", "another"))
    names = build(path).files
    after = {name: program_file(tmp_path / name, "x86_64", small=True).stat().st_mtime_ns for name in SOURCES}
    assert {name for name in SOURCES if before[name] != after[name]} == {"tools.py"}
    assert "/bin/tool3" in names


SOURCES = ("tools.py", "user/main.py", "files/main.py")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('[[files]]\nfrom = "./note.txt"\nto = "/bin/tool1"\n', 22, "/bin/tool1 is there already, from line 14"),
        ('[[files]]\nfrom = "./note.txt"\nto = "/bin"\n', 22, "/bin and /bin/tool0 (line 14) cannot both be"),
        ('[[files]]\nfrom = "./note.txt"\nto = "/bin/tool/x"\n', 22, "/bin/tool/x and /bin/tool (line 16)"),
        ('[[programs]]\nfrom = "./tools.py"\nto = "/b/"\nnames = "NOTHING"\n', 24, "has no names in NOTHING"),
        ('[[programs]]\nfrom = "./tools.py"\nto = "/b/"\nnames = "OTHER"\n', 24, "has no names in OTHER"),
        ('[[programs]]\nfrom = "./tools.py"\nto = "/b/"\nnames = "no.such:X"\n', 24, "cannot import no.such"),
    ],
)
def test_mistakes_that_only_building_finds(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = prepared(tmp_path, text)
    with pytest.raises(ManifestError, match=re.escape(message)) as caught:
        build(path)
    assert caught.value.message.startswith(f"{path}:{line}: ")


def test_names_may_be_of_another_module(tmp_path: Path) -> None:
    text = '[[programs]]\nfrom = "./tools.py"\nto = "/b/"\nnames = "cloudos.abi.wiring:USES"\n'
    assert {"/b/use", "/b/mint", "/b/signal"} <= set(build(prepared(tmp_path, text)).files)


def test_an_image_that_does_not_fit_into_its_memory(tmp_path: Path) -> None:
    component(tmp_path, "a", '[quota]\nmemory = "3M"\n')
    path = image(tmp_path, "a")
    path.write_text(path.read_text().replace('"64M"', '"4M"'))
    with pytest.raises(ManifestError, match=r"test\.toml:3: the image needs 4\.\d+ MB of memory"):
        build(path)


def test_what_the_compiler_says_of_a_component_is_passed_on(tmp_path: Path) -> None:
    component(tmp_path, "good")
    component(tmp_path, "bad")
    (tmp_path / "bad" / "main.py").write_text(PROGRAM.replace("    pass", "    x = []"))
    with pytest.raises(CompileError) as caught:
        build(image(tmp_path, "good", "bad"))
    assert caught.value.diagnostics[0].line == 5


def test_a_source_that_is_gone_is_told() -> None:
    with pytest.raises(NotFound, match="no such file"):
        programs.build_all([Path("/nowhere/main.py")], "x86_64")


def test_files_that_boot_are_written_whole(made: SystemImage, tmp_path: Path) -> None:
    written = build_files(str(made.system.manifest.path), tmp_path / "out")
    assert [path.name for path in written] == ["kernel.elf", "bundle.bin", "README"]
    assert written[1].read_bytes() == made.content
    assert "-m 64M" in written[2].read_text()
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError, match="cannot write to"):
        build_files(str(made.system.manifest.path), tmp_path / "file" / "out")


def test_programs_lose_what_a_guest_does_not_need(made: SystemImage) -> None:
    whole = made.init.read_bytes()
    stripped = elf.stripped(whole)
    assert b".debug_info" in whole
    assert b".debug_info" not in stripped
    assert len(stripped) < len(whole) / 2
    assert elf.stripped(stripped) == stripped
    for other in (b"", b"#!/bin/sh\n", whole[:40], whole[:100]):
        assert elf.stripped(other) == other


def test_paths_for_people() -> None:
    assert programs.shown(state.ROOT / "examples" / "hello.py") == "examples/hello.py"
    assert programs.shown(Path("/elsewhere/x.py")) == "/elsewhere/x.py"
