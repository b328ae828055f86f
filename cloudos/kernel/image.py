"""What the kernel's ELF file is made of: the compiler starts here."""

from __future__ import annotations

from cloudos.kernel import dispatch, failure, kernel, microkernel
from cloudos.kernel.hal import image
from cloudos.kernel.objects import cleanup, endings
from cloudos.kernel.sched import requests
from cloudos.lang import ProgramImage

# What is below all objects knows by this what becomes of each.
cleanup.KNOWN.objects = endings.Endings()

IMAGE = ProgramImage(
    entries=(
        kernel.kernel_main,
        dispatch.system_call,
        microkernel.user_trap,
        microkernel.kernel_trap,
        microkernel.enter,
        microkernel.processor_main,
        requests.leave,
        failure.on_panic,
        failure.on_panic_text,
    ),
    assemblies=image.ASSEMBLIES,
    linker_script=image.LINKER_SCRIPT,
    entry_symbol=image.ENTRY_SYMBOL,
)
