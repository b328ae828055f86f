"""The runner: the program of `cloudos run`, with what the boot bundle says and the services that the runner holds.

It has to be a component: init cannot ask the loader for anything, since the loader may be asking init.
"""

from __future__ import annotations

from cloudos.abi.bundle import EntryKind
from cloudos.abi.errors import BadArgument, Denied, NotFound, PeerGone, QuotaExceeded
from cloudos.contracts.errors import BadProgram, NameTooLong, NoSpace, ServiceError
from cloudos.contracts.programs import Program, Programs
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U32, U64, data
from cloudos.sdk import transport
from cloudos.sdk.arguments import add_argument, add_variable
from cloudos.sdk.bundle import Bundle
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import held, held_as, held_names
from cloudos.sdk.console import print_error
from cloudos.sdk.errors import BadBundle
from cloudos.sdk.image_bundle import image_bundle

PATH = data(b"/system/program")
CANNOT_RUN = 126
PATIENCE = 20_000_000_000  # nanoseconds: a loader that does not come up is no reason to wait for ever


def prepare(program: Program, image: Bundle) -> None:
    """Arguments, variables and capabilities. Raises NoSpace, ServiceError."""
    first = True
    for number in U64.range(image.count):
        entry = image.entry(number)
        if entry.kind == U32(EntryKind.ARGUMENT):
            # The first argument is init's.
            if not first:
                add_argument(program, image.data(entry))
            first = False
        elif entry.kind == U32(EntryKind.ENVIRONMENT):
            add_variable(program, image.name(entry), image.data(entry))
    for name in held_names():
        if not name.equals("supervisor") and not name.equals("stderr"):
            program.give(name.content, held_as(name.content))


def run() -> str:
    """Run the program to the end of the machine; why that is not possible, if it is not."""
    transport.ATTACHED.patience = U64(PATIENCE)
    try:
        program = Program(Programs(held("programs")).create(PATH))
        prepare(program, image_bundle())
        Supervisor(held("supervisor")).hand_over(program.process())
        program.start(U64(0))
        transport.ATTACHED.patience = U64(0)
        program.wait()
        return "it has ended"
    except (BadBundle, BadProgram, NotFound, Denied, NameTooLong):
        return "it cannot be read"
    except NoSpace:
        return "it is given too many arguments and variables"
    except QuotaExceeded:
        return "there is not enough memory"
    except (BadArgument, PeerGone, ServiceError):
        return "a service is gone"


def main() -> U8:
    """Returns only when the program cannot be run."""
    print_error(f"the program: {Text(run())}")
    return U8(CANNOT_RUN)
