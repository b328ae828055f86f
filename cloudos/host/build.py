"""`cloudos build`: the files that boot, in a directory of the user's, with the command that boots them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cloudos.host import image, program_image
from cloudos.host.accelerator import EMULATED_CPU
from cloudos.host.errors import ToolError

KERNEL, PROGRAM, BUNDLE, README = "kernel.elf", "program.elf", "bundle.bin", "README"

NO_KERNEL_TEXT = f"""\
{PROGRAM}  the program, as native code for {{}}
{BUNDLE}   the program with its arguments, environment and files

There is no kernel for {{}} yet: these files show what the compiler makes, and do not boot.
"""

BOOT_TEXT = f"""\
{KERNEL}   the kernel
{PROGRAM}  the program, as native code
{BUNDLE}   the services of the system, and the program with its arguments, environment and files

Boot them (the kernel's log appears on the terminal, standard streams in program.out):

    qemu-system-x86_64 -M microvm -cpu {EMULATED_CPU} -m 1G -nodefaults -no-user-config -display none -no-reboot \\
        -kernel {KERNEL} -initrd {BUNDLE} -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=0x04 \\
        -global virtio-mmio.force-legacy=false -device virtio-serial-device,max_ports=2 \\
        -chardev file,id=program,path=program.out -device virtserialport,nr=1,name=program,chardev=program

program.out holds frames: one byte stream (1 standard output, 2 standard error, 3 boot log), two bytes
length (little endian), then that many bytes. `cloudos run` unpacks them and passes on the exit status.
"""


def build(program: Path, architecture: str, inputs: image.Inputs, directory: Path) -> list[Path]:
    """Write the files into `directory`, made when missing; on any error nothing in it has changed."""
    contents: dict[str, bytes] = {}
    image.check_source(program)
    if image.has_kernel(architecture):
        bootable = program_image.build(program, architecture, inputs, alone=False, debug=False)
        contents[KERNEL] = bootable.built.kernel.read_bytes()
        contents[README] = BOOT_TEXT.encode()
        contents[PROGRAM] = bootable.built.program.read_bytes()
        contents[BUNDLE] = bootable.bundle
    else:
        contents[README] = NO_KERNEL_TEXT.format(architecture, architecture).encode()
        built = image.build_program(program, architecture)
        contents[PROGRAM] = built.read_bytes()
        contents[BUNDLE] = image.make_bundle(built, inputs)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        return install(contents, directory)
    except OSError as error:
        raise ToolError(f"cannot write to {directory}: {error.strerror}", "choose another directory with -o") from error


def install(contents: dict[str, bytes], directory: Path) -> list[Path]:
    """Write all files beside `directory` first, and move them in only when every one is complete."""
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as temporary:
        for name, data in contents.items():
            Path(temporary, name).write_bytes(data)
        made = not directory.exists()
        directory.mkdir(exist_ok=True)
        try:
            for name in contents:
                Path(temporary, name).replace(directory / name)
        except OSError:
            if made:
                shutil.rmtree(directory, ignore_errors=True)
            raise
    return [directory / name for name in contents]
