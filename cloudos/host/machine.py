"""The virtual machine: the options that a user gives, the QEMU command, the process and its two channels.

The guest has two byte channels. The *log* is the first serial port: kernel messages and records (records.py),
and one-byte commands back. The *program* channel carries standard streams in frames (frames.py): a virtio
serial port on `microvm` and `virt`, the second serial port on `q35`. A machine may have a *console* too, for a driver
in the guest: a third serial port, on `virt` a second virtio serial device, or the first serial port, and then the log
is a stream of the program channel. All are socket pairs whose far ends QEMU inherits, so nothing appears in the file
system and nothing is left behind.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cloudos.host import elf, state
from cloudos.host.accelerator import Accelerator
from cloudos.host.errors import ToolError

MINIMUM_MEMORY = 2 << 20
VIRT_TREE = 6 << 20
VIRT_MINIMUM = 8 << 20
VIRT_MEMORY = 0x4000_0000
"""Where the memory of `virt` begins, and a device tree of 1 MB when QEMU is given no kernel to start."""
PAGE = 4096
MACHINES = {"x86_64": ("microvm", "q35"), "aarch64": ("virt", "virt,gic-version=2")}
"""By architecture, the usual one first."""
# Linux, include/uapi/asm-generic/socket.h; Python has no name for it.
SO_SNDBUFFORCE = 32
LOG_BUFFER = 8 << 20
CONSOLE_SLOT = 8
"""Of the console on `virt`, in another page than the program channel: the kernel takes the first serial device."""
VIRT_SERIAL_PORT = 0x0900_0000
"""Where `virt` has its only serial port, a PL011: the kernel's log, unless an image has a driver for it."""
LOG_IN_CHANNEL = "log=channel"
"""The command line that says so to the kernel."""
VIRTIO_SERIAL = "virtio-serial-device,max_ports=2"
"""QEMU 7.2's limit for x86 machines without interrupt remapping."""


@dataclass(frozen=True)
class Observed:
    """A plugin of QEMU that watches the machine, and the file in which it writes what it sees."""

    plugin: Path
    arena_fd: int


@dataclass(frozen=True)
class Options:
    """What a user may choose about a machine. `memory` is in bytes: a ceiling, taken from the host only when used."""

    machine: str = ""
    """As QEMU names it; empty: the usual one of the kernel's architecture."""
    memory: int = 1 << 30
    processors: int = 1
    gdb_port: int | None = None
    counted: bool = False
    """Guest time counts instructions: one is a nanosecond, and every run is the same. Needs emulation."""
    memory_image: Path | None = None
    """A file that is the guest's memory, and keeps it when the guest is gone."""
    console: bool = False
    """Whether there is a device for a terminal: a 16550A at I/O port 0x3E8 with interrupt line 5; on `virt` a virtio
    console, with the first of the lines of such devices."""
    serial_console: bool = False
    """On `virt`, the console is the PL011, which then is a driver's; the log goes over the program channel."""
    restarts: bool = False
    """Whether a machine that resets itself starts again; otherwise that is its end."""
    observed: Observed | None = None
    """Needs emulation."""
    cpu: str = ""
    """The model of its processors, as QEMU names it; empty: the usual one of the accelerator."""
    nodes: int = 1
    """How many boards memory and processors are spread over, evenly. Not for microvm, nor with a memory image."""


@dataclass
class Machine:
    """A running guest: its process, and our ends of its channels."""

    process: subprocess.Popen[bytes]
    log: socket.socket
    program: socket.socket
    messages_fd: int
    """A file in memory that collects what QEMU itself prints."""
    console: socket.socket | None = None

    def messages(self) -> str:
        """What QEMU printed, at most 4,000 characters."""
        size = os.fstat(self.messages_fd).st_size
        return os.pread(self.messages_fd, min(size, 4000), 0).decode(errors="replace").strip()

    def kill(self) -> None:
        """Stop the guest at once."""
        with suppress(ProcessLookupError):
            self.process.kill()


@dataclass(frozen=True)
class Loaded:
    """The files that the machine begins with. `extent`: where the memory of a kernel for `virt` begins and ends, in
    bytes from the start of memory; None: the kernel is started by QEMU, as Linux is."""

    kernel: Path
    bundle: Path
    extent: tuple[int, int] | None = None


def loading(options: Options, files: Loaded) -> list[str]:
    """The part of the QEMU command that puts kernel and bundle into memory, and starts the kernel.

    Of a kernel that it starts itself, `virt` puts the bundle into the middle of the memory and the device tree behind
    it, at a multiple of 2 MB. When it is just told what lies where, the tree comes first: the kernel behind it and the
    bundle right behind that leave all other memory in one piece, and small machines work. A command line can be given
    only in the first way.
    """
    if files.extent is None or not is_virt(options.machine) or options.serial_console:
        return ["-kernel", str(files.kernel), "-initrd", str(files.bundle)]
    begin, end = (VIRT_MEMORY + place for place in files.extent)
    end = -(-end // PAGE) * PAGE
    line = ["-device", f"loader,file={files.kernel},addr={begin:#x},force-raw=on"]
    line += ["-device", f"loader,file={files.bundle},addr={end:#x},force-raw=on"]
    return [*line, "-device", f"loader,addr={begin:#x},cpu-num=0"]


def command(qemu: str, options: Options, accelerator: Accelerator, files: Loaded) -> list[str]:
    """The QEMU command without its channels."""
    line = [qemu, "-nodefaults", "-no-user-config", "-display", "none"]
    line += [] if options.restarts else ["-no-reboot"]
    line += [*machine_type(options), "-accel", accelerator.name]
    line += ["-cpu", options.cpu or accelerator.cpu]
    line += ["-m", f"size={options.memory // 1024}K", "-smp", str(options.processors)]
    line += [] if is_virt(options.machine) else ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    line += loading(options, files)
    line += ["-append", LOG_IN_CHANNEL] if options.serial_console else []
    if options.counted:
        line += ["-icount", "shift=0,sleep=off"]
    if options.observed is not None:
        plugin = str(options.observed.plugin).replace(",", ",,")
        line += ["-plugin", f"{plugin},arena={options.observed.arena_fd}"]
    if options.gdb_port is not None:
        line += ["-S", "-gdb", f"tcp:127.0.0.1:{options.gdb_port}"]
    return line


def most_processors(machine: str) -> int:
    """How many processors the kernel uses there: as many as the interrupt controller has names for."""
    if machine.endswith("gic-version=2"):
        return 8
    return 256 if is_virt(machine) else 255


def is_virt(machine: str) -> bool:
    """Whether it is QEMU's machine for AArch64, in any variant."""
    return machine.startswith("virt")


def machine_type(options: Options) -> list[str]:
    """The part of the QEMU command that says which machine it is and what its memory is made of."""
    machine = options.machine
    if machine == "virt":
        # Version 2 of the interrupt controller, which is the default, serves 8 processors at most.
        machine += ",gic-version=3"
    if options.nodes > 1:
        return ["-M", machine, *numa(options)]
    if options.memory_image is None:
        # What the guest never touches is never taken from the host, so a machine may be larger than its host.
        backend = f"memory-backend-ram,id=ram,size={options.memory // 1024}K,reserve=off"
        return ["-M", f"{machine},memory-backend=ram", "-object", backend]
    path = str(options.memory_image).replace(",", ",,")
    backend = f"memory-backend-file,id=ram,size={options.memory // 1024}K,mem-path={path},share=on"
    return ["-M", f"{machine},memory-backend=ram", "-object", backend]


def numa(options: Options) -> list[str]:
    """The part of the QEMU command that spreads memory and processors over several nodes."""
    line: list[str] = []
    rest, kilobytes = options.processors, options.memory // 1024
    for node in range(options.nodes):
        left = options.nodes - node
        size, count = kilobytes // left // 1024 * 1024, -(-rest // left)
        size = kilobytes if left == 1 else size
        first = options.processors - rest
        cpus = f",cpus={first}-{first + count - 1}" if count else ""
        line += ["-object", f"memory-backend-ram,id=ram{node},size={size}K,reserve=off"]
        line += ["-numa", f"node,nodeid={node},memdev=ram{node}{cpus}"]
        rest, kilobytes = rest - count, kilobytes - size
    for source in range(options.nodes):
        for target in range(options.nodes):
            line += ["-numa", f"dist,src={source},dst={target},val={10 + 5 * abs(source - target)}"]
    return line


def channels(options: Options, log_fd: int, program_fd: int) -> list[str]:
    """The part of the QEMU command that connects the two channels to inherited sockets."""
    machine = options.machine
    line = [] if options.serial_console else ["-chardev", f"socket,id=log,fd={log_fd}", "-serial", "chardev:log"]
    line += ["-chardev", f"socket,id=program,fd={program_fd}"]
    if machine == "microvm" or is_virt(machine):
        # A port of kind "serialport": one of kind "console" drops output when its socket is full (hw/char).
        line += [
            "-global",
            "virtio-mmio.force-legacy=false",
            "-device",
            f"{VIRTIO_SERIAL},id=program{place(machine, 0)}",
        ]
        return [*line, "-device", "virtserialport,nr=1,name=program,chardev=program,bus=program.0"]
    return [*line, "-device", "isa-serial,chardev=program,index=1"]


def place(machine: str, slot: int) -> str:
    """Where a virtio device is, on `virt` alone."""
    return f",bus=virtio-mmio-bus.{slot}" if is_virt(machine) else ""


def console_channel(options: Options, console_fd: int) -> list[str]:
    """The part of the QEMU command that gives the machine its console."""
    machine = options.machine
    line = ["-chardev", f"socket,id=console,fd={console_fd}"]
    if options.serial_console:
        return [*line, "-serial", "chardev:console"]
    if is_virt(machine):
        line += ["-device", f"{VIRTIO_SERIAL},id=console{place(machine, CONSOLE_SLOT)}"]
        return [*line, "-device", "virtserialport,nr=1,name=console,chardev=console,bus=console.0"]
    return [*line, "-device", "isa-serial,iobase=0x3e8,irq=5,chardev=console,index=2"]


def check_room(options: Options, kernel: int, bundle: int) -> None:
    """Refuse, with ToolError, a memory too small for these numbers of bytes; see `loading`."""
    # Measurements find out for themselves how little is enough.
    if options.counted:
        return
    need = bundle + kernel + MINIMUM_MEMORY // 2
    if is_virt(options.machine) and options.serial_console:
        need = max(2 * bundle + VIRT_TREE, VIRT_MINIMUM)
    if need > options.memory:
        raise ToolError(
            f"the program and its files do not fit into {describe(options.memory)} of memory",
            f"give the machine more: --memory {(need + MINIMUM_MEMORY // 2 >> 20) + 1}M or above",
        )


@contextmanager
def start(qemu: str, options: Options, accelerator: Accelerator, kernel: Path, bundle: bytes) -> Iterator[Machine]:
    """Boot `kernel` with `bundle`; the machine is gone when the context ends. Raises ToolError."""
    watchable = accelerator.name == "tcg" and options.observed is None
    if os.environ.get(state.KERNEL_LINES) and watchable:
        from cloudos.host.observer.kernel_lines import collecting

        with (
            collecting(kernel, options) as watched,
            boot(qemu, watched, accelerator, kernel, bundle) as machine,
        ):
            yield machine
        return
    with boot(qemu, options, accelerator, kernel, bundle) as machine:
        yield machine


@contextmanager
def boot(qemu: str, options: Options, accelerator: Accelerator, kernel: Path, bundle: bytes) -> Iterator[Machine]:
    """`start` without more ado."""
    content = kernel.read_bytes()
    options = replace(options, machine=options.machine or MACHINES[elf.architecture(content)][0])
    check_room(options, len(content), len(bundle))
    log, log_far = socket.socketpair()
    program, program_far = socket.socketpair()
    console, console_far = socket.socketpair()
    enlarge(log_far)
    bundle_fd, messages_fd = memory_file("bundle", bundle), memory_file("messages", b"")
    # Kernels that get a device tree are no ELF files for their loaders.
    on_virt = is_virt(options.machine)
    kernel_fd = memory_file("kernel", elf.flat(content) if on_virt else content)
    extent = elf.extent(content) if on_virt else None
    files = Loaded(Path(f"/dev/fd/{kernel_fd}"), Path(f"/dev/fd/{bundle_fd}"), extent)
    line = command(qemu, options, accelerator, files)
    line += channels(options, log_far.fileno(), program_far.fileno())
    line += console_channel(options, console_far.fileno()) if options.console else []
    try:
        inherited: tuple[int, ...] = (program_far.fileno(), console_far.fileno(), bundle_fd, kernel_fd)
        inherited += () if options.serial_console else (log_far.fileno(),)
        inherited += (options.observed.arena_fd,) if options.observed else ()
        process = launch(line, inherited, messages_fd)
        # Only QEMU may hold the far ends: their closing is how we learn that it ended.
        log_far.close()
        program_far.close()
        console_far.close()
        try:
            yield Machine(process, log, program, messages_fd, console if options.console else None)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
    finally:
        for channel in (log, log_far, program, program_far, console, console_far):
            channel.close()
        for descriptor in (bundle_fd, messages_fd, kernel_fd):
            os.close(descriptor)


def launch(line: list[str], inherited: tuple[int, ...], messages_fd: int) -> subprocess.Popen[bytes]:
    """Start QEMU in a session of its own: Ctrl-C in the terminal is ours to handle, not QEMU's."""
    setpriv = shutil.which("setpriv")
    if setpriv and "busybox" not in os.path.realpath(setpriv):  # busybox has no --pdeathsig
        # QEMU must not outlive the tool, even when the tool is killed outright.
        line = [setpriv, "--pdeathsig", "KILL", "--", *line]
    try:
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=messages_fd,
            stderr=messages_fd,
            pass_fds=inherited,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(f"cannot start QEMU: {error}", "`cloudos doctor` shows what was found") from error


def memory_file(name: str, content: bytes) -> int:
    """The descriptor of an anonymous file with `content`, positioned at its start."""
    descriptor = os.memfd_create(f"cloudos-{name}")
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def parse_memory(text: str) -> int:
    """Bytes in a size as docker writes it: "64M", "1G", "2048k", or plain bytes. Raises ValueError with a reason."""
    units = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
    number = text.strip().lower()
    if len(number) > 2 and number.endswith("ib"):
        number = number[:-2]
    elif len(number) > 2 and number[-1] == "b" and number[-2] in "kmgt":
        number = number[:-1]
    unit = number[-1] if number and not number[-1].isdigit() else ""
    digits = number.removesuffix(unit)
    if unit not in units or not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{text!r} is not a size; write for example 64M or 1G")
    size = int(digits) * units[unit]
    if size < MINIMUM_MEMORY:
        raise ValueError(f"{text} is too little; the machine needs at least {describe(MINIMUM_MEMORY)}")
    if size > 1 << 40:
        raise ValueError(f"{text} is too much; the limit is 1T")
    return size // 4096 * 4096


def enlarge(end: socket.socket) -> None:
    """Let much be written before it is read: QEMU writes byte by byte, each of which is counted as some 800, and the
    kernel waits for it with interrupts off. Ordinary users get less than the superuser."""
    for option in (SO_SNDBUFFORCE, socket.SO_SNDBUF):
        with suppress(PermissionError):
            end.setsockopt(socket.SOL_SOCKET, option, LOG_BUFFER)
            return


def describe(size: int) -> str:
    """A number of bytes for people: "64 MB" and the like, in binary units."""
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
