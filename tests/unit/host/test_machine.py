"""Starting a machine: the command, and what happens when QEMU is not what it should be."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cloudos.host import ending, image
from cloudos.host.accelerator import Accelerator
from cloudos.host.errors import ToolError
from cloudos.host.machine import Loaded, Options, channels, command, console_channel, start
from cloudos.host.session import Limits, Session

EMULATION = Accelerator("tcg", "max", "")


def fake_qemu(tmp_path: Path, script: str) -> str:
    path = tmp_path / "qemu"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def kernel(tmp_path: Path) -> Path:
    path = tmp_path / "kernel.elf"
    path.write_bytes(b"ELF")
    return path


def run(tmp_path: Path, script: str) -> int:
    """Run a script in QEMU's place to its end; the exit status for the user."""
    built = image.Image(kernel(tmp_path), tmp_path / "program.elf")
    with start(fake_qemu(tmp_path, script), Options(), EMULATION, built.kernel, b"bundle") as machine:
        session = Session(machine, Limits(), (os.open(os.devnull, os.O_RDONLY), 1, 2))
        session.run()
        os.close(session.input_fd)
        return ending.conclude(session, built, tmp_path / "p.py")


def test_the_command_names_everything_the_user_chose() -> None:
    files = Loaded(Path("k"), Path("b"))
    line = command("qemu", Options("q35", 3 << 20, 4, 1234), Accelerator("kvm", "host", ""), files)
    text = " ".join(line)
    for part in ("-M q35", "-accel kvm", "-cpu host", "-m size=3072K", "-smp 4", "-kernel k", "-initrd b"):
        assert part in text
    assert "-S -gdb tcp:127.0.0.1:1234" in text
    assert "-gdb" not in command("qemu", Options(), EMULATION, files)
    assert "-cpu qemu64,+la57 " in " ".join(command("qemu", Options(cpu="qemu64,+la57"), EMULATION, files))


def test_kernel_and_bundle_are_behind_each_other_at_the_start_of_virt() -> None:
    files = Loaded(Path("k"), Path("b"), (0x11_0000, 0x13_0001))
    text = " ".join(command("qemu", Options("virt"), EMULATION, files))
    assert "loader,file=k,addr=0x40110000,force-raw=on" in text
    assert "loader,file=b,addr=0x40131000,force-raw=on" in text
    assert "loader,addr=0x40110000,cpu-num=0" in text
    assert "-kernel" not in text
    # QEMU takes a command line only with a kernel that it starts itself.
    text = " ".join(command("qemu", Options("virt", serial_console=True), EMULATION, files))
    assert "-kernel k -initrd b -append log=channel" in text


def test_each_machine_has_its_program_channel() -> None:
    assert "virtserialport,nr=1,name=program,chardev=program,bus=program.0" in channels(Options("microvm"), 3, 4)
    assert "virtio-serial-device,max_ports=2,id=program,bus=virtio-mmio-bus.0" in channels(Options("virt"), 3, 4)
    assert "isa-serial,chardev=program,index=1" in channels(Options("q35"), 3, 4)


def test_a_qemu_that_refuses_to_start_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="QEMU says: no such machine"):
        run(tmp_path, "echo no such machine >&2; exit 1")


def test_the_bundle_reaches_the_machine(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="QEMU says: bundle"):
        run(tmp_path, 'while [ "$1" != -initrd ]; do shift; done; cat "$2"')


def test_a_qemu_that_cannot_be_started_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with (
        pytest.raises(ToolError, match="cannot start QEMU"),
        start(str(tmp_path / "missing"), Options(), EMULATION, kernel(tmp_path), b""),
    ):
        pass


def test_files_that_do_not_fit_into_memory_are_refused_before_anything_starts(tmp_path: Path) -> None:
    with (
        pytest.raises(ToolError, match="do not fit into 2 MB") as caught,
        start("/bin/false", Options(memory=2 << 20), EMULATION, kernel(tmp_path), bytes(3 << 20)),
    ):
        pass
    assert "--memory 6M" in caught.value.hint


def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(ToolError):
        run(tmp_path, "exit 1")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_console_is_a_third_channel_when_it_is_asked_for(tmp_path: Path) -> None:
    assert "isa-serial,iobase=0x3e8,irq=5,chardev=console,index=2" in console_channel(Options("microvm"), 7)
    assert "virtserialport,nr=1,name=console,chardev=console,bus=console.0" in console_channel(Options("virt"), 7)
    say = "import os, sys; os.write(int(sys.argv[1]), b'hello')"
    script = (
        f'for word; do case $word in socket,id=console,fd=*) "{sys.executable}" -c "{say}" ${{word##*=}};; esac; done'
    )
    fake, elf = fake_qemu(tmp_path, script), kernel(tmp_path)
    with start(fake, Options(console=True), EMULATION, elf, b"") as machine:
        assert machine.console is not None
        assert machine.console.makefile("rb").read() == b"hello"
    with start(fake, Options(), EMULATION, elf, b"") as machine:
        assert machine.console is None
