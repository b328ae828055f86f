"""`cloudos build`: the files that boot, in a directory of the user's, with the command that boots them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cloudos.host import image, program_image, recipe
from cloudos.host.errors import ToolError
from cloudos.host.recipe import BUNDLE

PROGRAM, README = "program.elf", "README"

BOOT_TEXT = f"""\
{{}}
{PROGRAM}  the program, as native code
{BUNDLE}   the services of the system, and the program with its arguments, environment and files

Boot them (the kernel's log appears on the terminal, standard streams in program.out):

{{}}

program.out holds frames: one byte stream (1 standard output, 2 standard error, 3 boot log), two bytes
length (little endian), then that many bytes. `cloudos run` unpacks them and passes on the exit status.
"""


def build(program: Path, architecture: str, inputs: image.Inputs, directory: Path) -> list[Path]:
    """Write the files into `directory`, made when missing; on any error nothing in it has changed."""
    image.check_source(program)
    bootable = program_image.build(program, architecture, inputs, alone=False, debug=False)
    contents = recipe.kernel_files(bootable.built.kernel.read_bytes())
    command = recipe.command(architecture, "1G", "stdio", "program.out")
    contents[README] = BOOT_TEXT.format(recipe.kernel_text(architecture), command).encode()
    contents[PROGRAM] = bootable.built.program.read_bytes()
    contents[BUNDLE] = bootable.bundle
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
