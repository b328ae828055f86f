"""The build pass: caching, reproducible output, what a failure leaves behind, and how programs are laid out."""

from __future__ import annotations

import ctypes
import itertools
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Literal

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.compiler.build import Unit, UnitRefused, build, compile_flags, tool_path, tool_version
from cloudos.compiler.prelude import PRELUDE
from cloudos.compiler.support import SUPPORT_SOURCE
from cloudos.compiler.targets import USER_BASE, host_target, target

PROGRAM = """
const u8 cloudos_table[5000] = {1, 2, 3};
u64 cloudos_state[600] = {7};
u64 cloudos_zero[600];
struct big { u64 words[6]; };
__attribute__((noinline)) struct big copy(struct big *from) { return *from; }
enum { site = 3 };
__attribute__((noinline)) u64 total(u64 n) {
    u64 sum = 0;
    for (u64 i = 0; i < n; i = add_u64(i, 1, site)) sum = add_u64(sum, cloudos_table[index_check(i, 5000, site)], site);
    return sum;
}
#line 10 "examples/sample.py"
void _start(void) {
    struct big b = {{1}};
    cloudos_state[1] = copy(&b).words[3];
    cloudos_state[2] = total(cloudos_state[0]);
    cloudos_zero[3] = cloudos_state[2];
    for (;;) {}
}
"""
PANIC = "void cloudos_panic(u32 site) { for (;;) {} }"
UNITS = [Unit("sample", PRELUDE + PROGRAM), Unit("panic", PRELUDE + PANIC)]


@pytest.mark.parametrize("optimize", ["0", "2", "s"])
@pytest.mark.parametrize("lto", [False, True])
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("kind", ["kernel", "user"])
def test_every_target_links(tmp_path: Path, arch: str, kind: str, lto: bool, optimize: str) -> None:
    chosen = target(arch, "kernel" if kind == "kernel" else "user")
    output = build(
        UNITS, chosen, output=tmp_path / "out", optimize=optimize, entry="_start", cache=tmp_path / "cache", lto=lto
    )
    with output.open("rb") as file:
        elf = ELFFile(file)
        assert elf.get_machine_arch() == {"x86_64": "x64", "aarch64": "AArch64"}[arch]
        assert elf.header.e_type == "ET_EXEC"
        assert elf.header.e_entry != 0


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_no_page_of_a_program_is_writable_and_executable(tmp_path: Path, arch: str) -> None:
    output = build(UNITS, target(arch, "user"), output=tmp_path / "out", entry="_start", cache=tmp_path / "cache")
    with output.open("rb") as file:
        segments = [s.header for s in ELFFile(file).iter_segments() if s.header.p_type == "PT_LOAD"]
    flags = [s.p_flags for s in segments]
    assert flags == [4, 5, 6], "read-only, then read-execute, then read-write"
    assert segments[0].p_vaddr == USER_BASE
    for before, after in itertools.pairwise(segments):
        assert (before.p_vaddr + before.p_memsz - 1) // 4096 < after.p_vaddr // 4096
    assert all(s.p_vaddr % 4096 == s.p_offset % 4096 for s in segments)


@pytest.mark.parametrize(("arch", "pattern"), [("x86_64", r"%[xyz]mm\d"), ("aarch64", r"\b[qvd]\d+\b")])
def test_kernel_code_uses_no_vector_registers(tmp_path: Path, arch: str, pattern: str) -> None:
    def assembly(kind: Literal["kernel", "host"]) -> str:
        source = tmp_path / "sample.c"
        source.write_text(UNITS[0].source)
        command = [
            str(tool_path()),
            "clang",
            *compile_flags(target(arch, kind), "2", False),
            "-S",
            "-o",
            "-",
            str(source),
        ]
        return subprocess.run(command, capture_output=True, check=True).stdout.decode()

    assert not re.search(pattern, assembly("kernel"))
    assert re.search(pattern, assembly("host")), "the sample uses them where it may, else this test shows nothing"


def test_output_does_not_depend_on_directories(tmp_path: Path) -> None:
    first = build(UNITS, target("x86_64", "user"), output=tmp_path / "a" / "out", cache=tmp_path / "a" / "cache")
    other = tmp_path / "some" / "longer" / "directory"
    second = build(UNITS, target("x86_64", "user"), output=other / "out", cache=other / "cache")
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path).encode() not in first.read_bytes()


def test_unchanged_units_are_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    real = subprocess.run

    def counted(command: list[str], **options: object) -> object:
        runs.append(command[1])
        return real(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    tool_version()
    cache, chosen = tmp_path / "cache", target("x86_64", "user")

    def built(units: list[Unit], optimize: str = "2") -> list[str]:
        runs.clear()
        build(units, chosen, output=tmp_path / "out", optimize=optimize, cache=cache)
        return sorted(runs)

    assert built(UNITS) == ["clang", "clang", "clang", "ld.lld"]
    assert built(UNITS) == []
    changed = [UNITS[0], Unit("panic", PRELUDE + PANIC + "\nu64 more;")]
    assert built(changed) == ["clang", "ld.lld"]
    assert built(UNITS, "0") == ["clang", "clang", "clang", "ld.lld"]
    assert built(UNITS) == []


def test_a_refused_unit_is_an_internal_error_and_leaves_no_output(tmp_path: Path) -> None:
    broken = Unit("cloudos.broken", PRELUDE + "u64 f(void) { return missing(1); }")
    with pytest.raises(UnitRefused) as caught:
        build([*UNITS, broken], target("x86_64", "user"), output=tmp_path / "out" / "p", cache=tmp_path / "cache")
    assert caught.value.unit == "cloudos.broken"
    assert "missing" in caught.value.diagnostics
    assert caught.value.kept is not None
    assert caught.value.kept.read_text() == broken.source
    assert not (tmp_path / "out").exists()


def test_an_undefined_symbol_is_an_internal_error(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("old")
    with pytest.raises(UnitRefused, match="cloudos_panic"):
        build(UNITS[:1], target("x86_64", "user"), output=tmp_path / "p", entry="_start", cache=tmp_path / "cache")
    assert (tmp_path / "p").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "p"]


def test_concurrent_builds_share_a_cache(tmp_path: Path) -> None:
    results: list[bytes] = []
    failures: list[BaseException] = []

    def one(index: int) -> None:
        try:
            output = tmp_path / ("same" if index % 2 else f"out{index}")
            build(UNITS, target("x86_64", "user"), output=output, cache=tmp_path / "cache")
            results.append(output.read_bytes())
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(results)) == 1
    assert not list((tmp_path / "cache" / "temporary").iterdir())


def test_a_cached_build_is_fast(tmp_path: Path) -> None:
    def once() -> float:
        start = time.perf_counter()
        build(UNITS, target("x86_64", "user"), output=tmp_path / "out", cache=tmp_path / "cache")
        return time.perf_counter() - start

    once()
    assert min(once() for _ in range(5)) < 0.05


def test_the_tool_runs() -> None:
    assert subprocess.run([tool_path(), "ld.lld", "--version"], capture_output=True, check=True).stdout


def test_no_such_target_or_level(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="riscv"):
        target("riscv", "user")
    with pytest.raises(ValueError, match="fast"):
        build(UNITS, target("x86_64", "user"), output=tmp_path / "o", optimize="fast", cache=tmp_path / "c")


SHORT = "#define CLOUDOS_SHORT_SUPPORT 1\n"


@pytest.fixture(
    scope="module",
    params=["", SHORT] if host_target().arch == "x86_64" else [""],
    ids=lambda text: "short" if text else "",
)
def memory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The support unit's functions under names of their own, so that the C library's are not tested instead."""
    directory = tmp_path_factory.mktemp("support")
    names = {name: f"tested_{name}" for name in ("memcpy", "memmove", "memset", "memcmp")}
    source = request.param + SUPPORT_SOURCE.replace('visibility("hidden"), ', "")
    for name, tested in names.items():
        source = source.replace(f"{name}(", f"{tested}(")
    library = ctypes.CDLL(
        str(build([Unit("tested", source)], host_target(), output=directory / "m.so", cache=directory / "cache"))
    )
    for tested in names.values():
        getattr(library, tested).restype = ctypes.c_int if tested.endswith("cmp") else ctypes.c_void_p
    return library


LENGTHS = st.integers(0, 40) | st.integers(100, 300)


@settings(max_examples=500, deadline=None)
@given(data=st.binary(min_size=700, max_size=700), start=st.integers(0, 200), to=st.integers(0, 200), length=LENGTHS)
def test_memmove_and_memcpy(memory: ctypes.CDLL, data: bytes, start: int, to: int, length: int) -> None:
    moved = ctypes.create_string_buffer(data, len(data))
    base = ctypes.addressof(moved)
    memory.tested_memmove(ctypes.c_void_p(base + to), ctypes.c_void_p(base + start), ctypes.c_uint64(length))
    expected = bytearray(data)
    expected[to : to + length] = data[start : start + length]
    assert moved.raw == bytes(expected)
    copied = ctypes.create_string_buffer(data, len(data))
    source = ctypes.create_string_buffer(data, len(data))
    memory.tested_memcpy(
        ctypes.c_void_p(ctypes.addressof(copied) + to),
        ctypes.c_void_p(ctypes.addressof(source) + start),
        ctypes.c_uint64(length),
    )
    assert copied.raw == bytes(expected)


@settings(max_examples=300, deadline=None)
@given(start=st.integers(0, 20), length=LENGTHS, value=st.integers(0, 511))
def test_memset(memory: ctypes.CDLL, start: int, length: int, value: int) -> None:
    buffer = ctypes.create_string_buffer(b"\x55" * 400, 400)
    memory.tested_memset(ctypes.c_void_p(ctypes.addressof(buffer) + start), value, ctypes.c_uint64(length))
    expected = bytearray(b"\x55" * 400)
    expected[start : start + length] = bytes([value & 255]) * length
    assert buffer.raw == bytes(expected)


@settings(max_examples=300, deadline=None)
@given(left=st.binary(max_size=40), same=st.integers(0, 40), tail=st.binary(max_size=10))
def test_memcmp(memory: ctypes.CDLL, left: bytes, same: int, tail: bytes) -> None:
    right = (left[:same] + tail)[: len(left)]
    length = len(right)
    got = memory.tested_memcmp(left, right, ctypes.c_uint64(length))
    assert got == (left[:length] > right) - (left[:length] < right)
