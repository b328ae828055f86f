"""The QEMU command that boots files of ours without the tool, for the README beside them."""

from __future__ import annotations

from cloudos.host import elf
from cloudos.host.accelerator import EMULATED_CPUS
from cloudos.host.machine import CONSOLE_SLOT, LOG_IN_CHANNEL

KERNEL, FLAT, BUNDLE = "kernel.elf", "kernel.img", "bundle.bin"

MACHINE = {
    "x86_64": f"-M microvm -cpu {EMULATED_CPUS['x86_64']}",
    "aarch64": f"-M virt,gic-version=3 -cpu {EMULATED_CPUS['aarch64']}",
}
LOADED = {"x86_64": KERNEL, "aarch64": FLAT}
"""What QEMU is given as the kernel."""

OFF = {"x86_64": "-device isa-debug-exit,iobase=0xf4,iosize=0x04 ", "aarch64": ""}
CONSOLE = {
    "x86_64": "-device isa-serial,iobase=0x3e8,irq=5,chardev=console,index=2",
    "aarch64": f"-device virtio-serial-device,max_ports=2,id=console,bus=virtio-mmio-bus.{CONSOLE_SLOT} \\\n"
    "        -device virtserialport,nr=1,name=console,chardev=console,bus=console.0",
}
PROGRAM_BUS = {"x86_64": "", "aarch64": ",bus=virtio-mmio-bus.0"}


def kernel_files(content: bytes) -> dict[str, bytes]:
    """The files of a kernel by their names: the ELF file and, where loaders want it, the form without a header."""
    files = {KERNEL: content}
    if elf.architecture(content) == "aarch64":
        files[FLAT] = elf.flat(content)
    return files


def kernel_text(architecture: str) -> str:
    """The lines of a README that say what these are."""
    if architecture == "aarch64":
        return f"{FLAT}   the kernel\n{KERNEL}   the same with its symbols, for debuggers"
    return f"{KERNEL}   the kernel"


def command(
    architecture: str, memory: str, log: str, program: str, console: str = "", *, serial_console: bool = False
) -> str:
    """The command, in lines that end with a backslash. `memory` as QEMU takes it; `log` is QEMU's word for where the
    kernel's log goes, `program` the file for what init or the program say; `console`: QEMU's chardev for it, if any.

    `serial_console`: as in `machine.Options`; the file for the program has the log too.
    """
    # A system image may restart its machine; of a program that is a failure.
    reset = "" if console else "-no-reboot "
    lines = [
        f"qemu-system-{architecture} {MACHINE[architecture]} -m {memory} -nodefaults -no-user-config \\",
        f"    -display none {reset}-kernel {LOADED[architecture]} -initrd {BUNDLE} \\",
        f"    -append {LOG_IN_CHANNEL} \\" if serial_console else f"    -serial {log} {OFF[architecture]}\\",
        "    -global virtio-mmio.force-legacy=false \\",
        f"    -device virtio-serial-device,max_ports=2,id=program{PROGRAM_BUS[architecture]} \\",
        f"    -chardev file,id=program,path={program} \\",
        "    -device virtserialport,nr=1,name=program,chardev=program,bus=program.0",
    ]
    if serial_console:
        lines[-1] += " \\"
        lines.append(f"    -chardev {console},id=console -serial chardev:console")
    elif console:
        lines[-1] += " \\"
        lines.append(f"    -chardev {console},id=console {CONSOLE[architecture]}")
    return "\n".join(f"    {line}" for line in lines)
