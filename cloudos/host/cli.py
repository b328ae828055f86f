"""The command line. Every command imports what it needs when it runs: starting the tool must stay cheap."""

from __future__ import annotations

import sys

import click

from cloudos import __version__
from cloudos.host.errors import KILLED, TOOL_FAILED, ToolError

FORM = click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cloudos")
def cli() -> None:
    """Run Python programs as isolated virtual machines on a kernel written in Python."""


@cli.command()
@FORM
def doctor(form: str) -> None:
    """Show what the tool found on this machine: compiler, QEMU, which accelerator and why."""
    from cloudos.host import doctor as command
    from cloudos.host import listing

    findings = command.examine()
    listing.show(findings, form)
    if not command.healthy(findings):
        sys.exit(TOOL_FAILED)


def report(error: ToolError) -> None:
    """Print an error in two parts: what was wrong, what to do next."""
    print(f"cloudos: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"help: {error.hint}", file=sys.stderr)


def main() -> None:
    """Entry point of the launcher and of the installed command; ends the process."""
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
    sys.exit(status if isinstance(status, int) else 0)
