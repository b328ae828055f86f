"""The command line. Every command imports what it needs when it runs: starting the tool must stay cheap."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from cloudos import __version__
from cloudos.host.errors import CANNOT_RUN, KILLED, TOOL_FAILED, ToolError

if TYPE_CHECKING:
    from cloudos.host.image import Inputs
    from cloudos.host.observer.runs import Request as WatchRequest

F = TypeVar("F", bound=Callable[..., Any])

KINDS = ("unit", "dual", "sim", "simulation", "boot", "conformance", "fuzz", "stress", "repo")

RUN_SETTINGS = {"allow_interspersed_args": False}
"""Options stand before PROGRAM; everything after it is the program's, whatever it looks like."""

LONGEST_TIMEOUT = 365 * 24 * 3600
"""Seconds; a year. Waiting in the operating system takes no such times as 1e300 or infinity."""

FORM = click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)

CPUS = click.option(
    "--cpus",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    envvar="CLOUDOS_CPUS",
    show_envvar=True,
    help="Processors.",
)
FILES = click.option("--file", "files", multiple=True, metavar="HOST[:GUEST]", help="Give the program a file.")

ARCH = click.option(
    "--arch",
    type=click.Choice(["x86_64", "aarch64"]),
    default="x86_64",
    show_default=True,
    envvar="CLOUDOS_ARCH",
    show_envvar=True,
)


def WATCHED(command: F) -> F:  # noqa: N802 - used as the others are
    """What the commands have in common that watch a run."""
    command = click.option("--timeout", type=Seconds(), metavar="SECONDS", help="End it after this; 600.")(command)
    text = "Memory of the machine; 64M, of an image what it usually has."
    command = click.option("--memory", type=Memory(), help=text)(command)
    command = click.option("--bare", is_flag=True, help="The program on the kernel alone, without services.")(command)
    command = FILES(command)
    command = click.option("--script", type=click.File("rb"), help="Lines to type at the image's prompt.")(command)
    return click.option("--image", "name", default="system", show_default=True, help="The image to boot.")(command)


MACHINE = click.option(
    "--machine", metavar="NAME", default="", help="QEMU's machine: microvm (usual), q35; virt, virt,gic-version=2."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cloudos")
def cli() -> None:
    """Run Python programs as isolated virtual machines on a kernel written in Python."""


@cli.command()
@FORM
@ARCH
def doctor(form: str, arch: str) -> None:
    """Show what the tool found on this machine: compiler, QEMU, which accelerator and why."""
    from cloudos.host import doctor as command
    from cloudos.host import listing

    findings = command.examine(arch)
    listing.show(findings, form)
    if not command.healthy(findings):
        sys.exit(TOOL_FAILED)


class Memory(click.ParamType[int]):
    """A size in bytes, written as docker does."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes; a usage error when it is not a size or out of range."""
        from cloudos.host.machine import parse_memory

        try:
            return value if isinstance(value, int) else parse_memory(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Seconds(click.ParamType[float]):
    """A time above zero."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; a usage error when it is not a number above zero or more than a year."""
        try:
            seconds = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if not 0 < seconds <= LONGEST_TIMEOUT:  # also refuses NaN
            self.fail(f"{value} is not above 0 and at most {LONGEST_TIMEOUT}", param, ctx)
        return seconds


def machine_of(architecture: str, machine: str, processors: int = 1) -> str:
    """The machine that was chosen, or the usual one. Raises click.UsageError for one of another architecture, and for
    more processors than it has."""
    from cloudos.host.machine import MACHINES, most_processors

    known = MACHINES[architecture]
    if machine and machine not in known:
        raise click.UsageError(f"--machine {machine!r}: of {architecture} there are {' and '.join(known)}")
    machine = machine or known[0]
    if processors > most_processors(machine):
        raise click.UsageError(f"--cpus: {machine} has {most_processors(machine)} at most")
    return machine


def program_options(command: F) -> F:
    """What `run` and `build` have in common: the program, what it is given, the architecture."""
    decorators = (
        ARCH,
        FILES,
        click.option("-e", "--env", "environment", multiple=True, metavar="KEY=VALUE", help="Set a variable."),
        click.option("--policy", type=click.Path(path_type=Path), metavar="FILE.toml", help="Who may do what to whom."),
        click.argument("program", type=click.Path(path_type=Path)),
        click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]..."),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def inputs(
    program: Path,
    arguments: tuple[str, ...],
    environment: tuple[str, ...],
    files: tuple[str, ...],
    policy: Path | None,
) -> Inputs:
    """What the program is given. Raises click.UsageError for options that make no sense."""
    from cloudos.host import image

    pairs = []
    for text in environment:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.UsageError(f"-e {text!r}: write KEY=VALUE")
        pairs.append((key, value))
    return image.Inputs(str(program), arguments, tuple(pairs), tuple(split_file(text) for text in files), policy)


def terminal() -> tuple[str, ...]:
    """What tells the program that it talks to a person: TERM is set when standard output is a terminal."""
    return (f"TERM={os.environ.get('TERM') or 'dumb'}",) if os.isatty(1) else ()


def split_file(text: str) -> tuple[Path, str]:
    """The two sides of HOST[:GUEST]; without GUEST the guest sees the path as it was written."""
    host, colon, guest = text.rpartition(":")
    # os.path.exists and not Path.exists, which raises for names that no file can have.
    if not colon or (os.path.exists(text) and not os.path.exists(host)):
        host = guest = text
    if not host or not guest:
        raise click.UsageError(f"--file {text!r}: write HOST or HOST:GUEST")
    return Path(host), guest


@cli.command(context_settings=RUN_SETTINGS)
@program_options
@click.option("--timeout", type=Seconds(), metavar="SECONDS", help="End it after this.")
@click.option("--memory", type=Memory(), default="1G", show_default=True, help="Ceiling on the machine's memory.")
@CPUS
@click.option("--processor", metavar="MODEL", default="", help="QEMU's model of them; max has 57-bit addresses.")
@click.option("--nodes", type=click.IntRange(1, 8), default=1, show_default=True, help="Boards they are spread over.")
@MACHINE
@click.option("--kernel-log", is_flag=True, help="Show the kernel's log on standard error.")
@click.option("--bare", is_flag=True, help="The kernel alone, without services; so it is below 8M of memory.")
@click.option("--gdb", is_flag=True, help="Alone, as with --bare: wait for a debugger, and say how to attach it.")
def run(
    program: Path,
    arguments: tuple[str, ...],
    arch: str,
    files: tuple[str, ...],
    environment: tuple[str, ...],
    policy: Path | None,
    timeout: float | None,
    memory: int,
    cpus: int,
    processor: str,
    nodes: int,
    machine: str,
    kernel_log: bool,
    bare: bool,
    gdb: bool,
) -> int:
    """Boot a machine that runs PROGRAM, a Python file; ARGS are the program's.

    Standard input, output and error are the program's. So is the exit status, except: 124 the time was up,
    125 the tool failed, 126 the program cannot be run (it does not compile), 127 there is no such program,
    130 interrupted, 128+N the program was ended by fault N (6 panic, 11 bad memory access).
    """
    from cloudos.host import run as command
    from cloudos.host.machine import Options
    from cloudos.host.session import Limits

    machine = machine_of(arch, machine, cpus)
    if nodes > 1 and machine == "microvm":
        raise click.UsageError("--nodes: a microvm has one; --machine q35 may have several")
    request = command.Request(
        program,
        arch,
        inputs(program, arguments, terminal() + environment, files, policy),
        Options(machine, memory, cpus, cpu=processor, nodes=nodes),
        Limits(timeout, kernel_log),
        gdb,
        bare,
    )
    return command.run(request)


@cli.command()
@program_options
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where to write.")
def build(
    program: Path,
    arguments: tuple[str, ...],
    arch: str,
    files: tuple[str, ...],
    environment: tuple[str, ...],
    policy: Path | None,
    output: Path,
) -> None:
    """Compile PROGRAM and write what boots into DIR: kernel, program, bundle, and a README with the command.

    ARGS are given to the program when it boots; put -- before those that begin with a dash.
    """
    from cloudos.host import build as command

    for path in command.build(program, arch, inputs(program, arguments, environment, files, policy), output):
        print(path)


@cli.command()
@FORM
@ARCH
def size(form: str, arch: str) -> int:
    """Show the kernel's bytes by module; fails when they are more than the kernel may have."""
    from cloudos.host import image, listing
    from cloudos.host import size as command

    rows = command.measure(image.build_kernel(arch))
    total, keeps = command.verdict(rows)
    listing.show(rows, form)
    if form == "table":
        print(f"{total:,} of {command.LIMIT:,} bytes" + ("" if keeps else ": TOO LARGE"))
    return 0 if keeps else 1


@cli.command()
@FORM
@click.option("--json", "file", metavar="FILE", help="Write the JSON to a file too; - is standard output, alone.")
@click.option("--against", type=click.Choice(["linux"]), help="Beside another system in the same emulator.")
@click.option("--check", is_flag=True, help="Beside the stored baseline; fails when a number is more than 3% worse.")
@click.option("--update-baseline", "update", is_flag=True, help="Store what is measured as the baseline.")
@click.option("--plots", is_flag=True, help="Both architectures beside Linux, as table and drawings, into docs/.")
@click.option("--cpus", type=click.IntRange(1, 255), default=1, show_default=True, help="Processors, in turns.")
@ARCH
def bench(
    form: str, file: str | None, against: str | None, check: bool, update: bool, plots: bool, cpus: int, arch: str
) -> int:
    """Measure the kernel under instruction counting: every run gives the same numbers."""
    from cloudos.host import bench_commands as command

    if sum((against is not None, check, update, plots, cpus > 1)) > 1:
        raise click.UsageError("--against, --check, --update-baseline, --plots and --cpus exclude each other")
    output = command.Output(form, file)
    if plots:
        return command.plots()
    if against:
        return command.against_linux(arch, output)
    if check:
        return command.check(arch, output)
    return command.update(arch, output) if update else command.own(arch, cpus, output)


@cli.command(context_settings=RUN_SETTINGS)
@click.option("--service", metavar="NAME", help="Boot an image and look at this component.")
@click.option("--of", metavar="NAME", help="The process to look at, or kernel, or all; without it the program.")
@click.option("--most", type=click.IntRange(1), default=25, show_default=True, help="Rows of each table.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Write a flame graph.")
@click.option("--json", "file", metavar="FILE", help="Write JSON; - is standard output, alone.")
@WATCHED
@ARCH
@click.argument("program", required=False, type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def profile(
    service: str | None,
    of: str | None,
    most: int,
    svg: Path | None,
    file: str | None,
    program: Path | None,
    **options: Any,
) -> None:
    """Count the instructions of a run by function and by line: of PROGRAM, or of a service of a system image.

    An image runs until its shell's prompt, or through the lines of --script.
    """
    from cloudos.host import profile_command as command

    request = watched(program, file == "-", **options)
    if (program is None) == (service is None):
        raise click.UsageError("give a PROGRAM, or the name of a --service")
    wanted = of or service or "program"
    title = f"{wanted} in {program.name}" if program else f"{wanted} in the image {options['name']}"
    command.profile(request, wanted, title, most, svg, file)


@cli.command(context_settings=RUN_SETTINGS)
@click.option("--filter", "kinds", default="", metavar="KINDS", help="syscall,message,fault,schedule,interrupt; all.")
@click.option("--process", metavar="NAME", help="What concerns this process alone; the program's name is program.")
@click.option("--text", metavar="FILE", help="Write lines of text; - is standard output, and usual without --chrome.")
@click.option("--chrome", type=click.Path(path_type=Path), metavar="FILE", help="Write a file for trace viewers.")
@WATCHED
@ARCH
@click.argument("program", required=False, type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def trace(
    kinds: str, process: str | None, text: str | None, chrome: Path | None, program: Path | None, **options: Any
) -> None:
    """Show system calls, messages, faults, interrupts and who ran when, in a run of PROGRAM or of a system image.

    An image runs until its shell's prompt, or through the lines of --script. Times are instructions.
    """
    from cloudos.host import trace_command as command

    text = text or (None if chrome else "-")
    command.trace(watched(program, text == "-", **options), kinds, process, text, chrome)


def watched(
    program: Path | None,
    alone: bool,
    *,
    arguments: tuple[str, ...],
    files: tuple[str, ...],
    bare: bool,
    name: str,
    script: BinaryIO | None,
    timeout: float | None,
    memory: int | None,
    arch: str,
) -> WatchRequest:
    """What `profile` and `trace` run; `alone`: standard output is for the tool. The rest are the options of WATCHED."""
    from cloudos.host.observer import runs

    given = inputs(program, arguments, (), files, None) if program else None
    typed = script.read() if script else None
    output = runs.ERRORS if alone else runs.OUTPUT
    return runs.Request(arch, program, given, bare, name, typed, memory, timeout, output=output)


@cli.group()
def image() -> None:
    """System images: list, inspect, build."""


@image.command("ls")
@FORM
def image_ls(form: str) -> None:
    """List the images that come with CloudOS."""
    from cloudos.host import image_commands

    image_commands.ls(form)


@image.command("inspect")
@click.argument("name")
@FORM
@ARCH
def image_inspect(name: str, form: str, arch: str) -> None:
    """Show components, wiring, quotas, labels, devices and files of the image NAME, or of a manifest's path."""
    from cloudos.host import image_commands

    image_commands.inspect(name, form, arch)


@image.command("build")
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where to write.")
@ARCH
def image_build(name: str, output: Path, arch: str) -> None:
    """Write what boots the image NAME into DIR: kernel, bundle, and a README with the command."""
    from cloudos.host import image_commands

    for path in image_commands.build(name, output, arch):
        print(path)


@cli.command()
@click.argument("name", default="system", metavar="[IMAGE]")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Write a drawing too.")
@ARCH
def graph(name: str, svg: Path | None, arch: str) -> None:
    """Show who serves whom in an image, as a tree."""
    from cloudos.host import graph as command

    command.draw(name, svg, arch)


@cli.command()
@click.option("--image", "name", default="system", show_default=True, help="The image, or the path of a manifest.")
@click.option("--memory", type=Memory(), help="Memory of the machine; without it what the image usually has.")
@click.option("--timeout", type=Seconds(), metavar="SECONDS", help="End it after this.")
@MACHINE
@CPUS
@click.option("--kernel-log", is_flag=True, help="Show the kernel's log and the boot log on standard error.")
@ARCH
def shell(
    name: str, memory: int | None, timeout: float | None, machine: str, cpus: int, kernel_log: bool, arch: str
) -> int:
    """Boot a system image with its console on this terminal, until the machine is off.

    The exit status is the machine's, with the exceptions of `run`. Ctrl-] three times within a second stops a
    machine that does not listen. When standard input is no terminal its bytes are typed, and then Ctrl-D.
    """
    from cloudos.host import shell as command
    from cloudos.host.session import Limits

    limits = Limits(timeout, kernel_log)
    return command.run(command.Request(name, arch, machine_of(arch, machine, cpus), memory, limits, cpus))


@cli.command()
@click.argument("kind", default="all", type=click.Choice([*KINDS, "all"]))
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST OPTIONS]...")
@click.option("--long", is_flag=True, help="Full sizes where tests have two; the same as CLOUDOS_LONG_TESTS=1.")
@ARCH
@CPUS
def test(kind: str, options: tuple[str, ...], long: bool, arch: str, cpus: int) -> int:
    """Run lint, type check and the tests of one KIND, or of all.

    Tests of boot and stress that name no machine use one of --arch with so many --cpus; tests that are about another
    are skipped. The tests of other kinds name theirs.
    """
    from cloudos.host import testing as command
    from cloudos.host import usual

    if long:
        os.environ["CLOUDOS_LONG_TESTS"] = "1"
    os.environ.update({usual.ARCHITECTURE: arch, usual.PROCESSORS: str(cpus)})
    if usual.is_named() and kind not in ("boot", "stress"):
        raise click.UsageError("--arch and --cpus: tests of boot and stress can be run on other machines")
    return command.test(kind, options)


@cli.command()
@click.argument("target", required=False)
@click.option("--list", "listed", is_flag=True, help="Show the targets.")
@click.option("--seconds", type=click.IntRange(1, LONGEST_TIMEOUT), default=60, show_default=True, metavar="N")
@click.option("--seed", type=click.IntRange(0, (1 << 32) - 1), default=0, help="Repeats a search; 0: a new one.")
@click.option(
    "--replay",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Run this input once instead.",
)
def fuzz(target: str | None, listed: bool, seconds: int, seed: int, files: tuple[str, ...]) -> int:
    """Look for inputs that break the boundary TARGET; status 1 and the input's path when one does."""
    from cloudos.host import fuzzing as command

    if listed:
        return command.targets()
    if target is None:
        raise click.UsageError("name a target; --list shows them")
    return command.replay(target, files) if files else command.fuzz(target, seconds, seed)


@cli.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def simulate(options: tuple[str, ...]) -> int:
    """Run init, services and random clients on the simulated machine, with faults: see --help."""
    from cloudos.host import simulate as command

    return command.simulate(options)


@cli.command()
@click.option("--quick", is_flag=True, help="Fewer tests, in ten minutes.")
@click.option("--report", "again", is_flag=True, help="Run nothing: make the page from what the last run left.")
def coverage(quick: bool, again: bool) -> int:
    """Measure which lines and branches of the kernel the tests reach, and write docs/kernel-coverage.md.

    The status is 1 when a line is reached by no test and has no reason.
    """
    from cloudos.host import testing as command

    return command.coverage(quick, again)


def report(error: ToolError) -> None:
    """Print an error in two parts: what was wrong, what to do next."""
    print(f"cloudos: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"help: {error.hint}", file=sys.stderr)


def refusal(error: Exception) -> bool:
    """Print what the compiler said when it refused a program; False for any other exception."""
    if "cloudos.compiler.diagnostics" not in sys.modules:
        return False
    from cloudos.compiler.diagnostics import CompileError

    if not isinstance(error, CompileError):
        return False
    for diagnostic in error.diagnostics:
        print(diagnostic, file=sys.stderr)
    return True


def defect() -> int:
    """Report an exception that nothing above expected."""
    import traceback

    traceback.print_exc()
    report(ToolError("internal error", "this is a defect of the tool: please report it with the lines above"))
    return TOOL_FAILED


def main() -> None:
    """Entry point of the launcher and of the installed command; ends the process."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from cloudos.host.session import repair_standard_streams

        repair_standard_streams()
    try:
        status = cli.main(prog_name="cloudos", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = TOOL_FAILED
    except (click.Abort, KeyboardInterrupt):
        status = KILLED + 2
    except ToolError as error:
        report(error)
        status = error.status
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - Python flushes standard output once more when it ends
        status = KILLED + 13
    except Exception as error:
        status = CANNOT_RUN if refusal(error) else defect()
    sys.exit(status if isinstance(status, int) else 0)
