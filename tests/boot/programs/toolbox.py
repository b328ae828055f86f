"""Utilities over the file service in the machine: command lines from the file `commands`, one after the other.

Before each, the directory /work gets the files of the image whose names begin with `work/`. After it come a line with
the exit status, and a line for each thing that is in the directory then.
"""

from __future__ import annotations

from cloudos.abi import initial, layout
from cloudos.abi.bundle import EntryKind
from cloudos.abi.objects import MEMORY_PAID, Rights
from cloudos.apps.digests import digest_of
from cloudos.apps.paths import directory_name, join
from cloudos.apps.toolbox.make import make_parents
from cloudos.apps.toolbox.removal import remove_tree
from cloudos.apps.toolbox.table import dispatch
from cloudos.contracts.files import DIRECTORY
from cloudos.lang import U8, U64, Error, UserPtr, code_address, data, error_name, error_place, panic, write_text
from cloudos.sdk import List, Text, lines, open_file, print, stdout, system, transport
from cloudos.sdk.bundle import bundle
from cloudos.sdk.filesystem import create_file, exists, list_directory, open_path, status
from cloudos.sdk.memory import READ
from cloudos.sdk.processes import Child, populate
from cloudos.sdk.start_block import new_start_block
from cloudos.services.files import main as service

CLIENT = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
SERVER = CLIENT | Rights.RECEIVE
KEPT = Rights.READ | Rights.WRITE | Rights.MAP | Rights.INSPECT
FILE_MODE = 0o644


def run_service(argument: U64) -> None:
    """What the child runs: the service as init would start it."""
    try:
        bundle.attach(U64(layout.BUNDLE_START), U64(0))
        transport.attach()
        service.main()
    except Error:
        print(f"WRONG {error_name()}, raised at {error_place()}")


def start_service() -> U64:
    """The file service in a process of its own; a session of it."""
    endpoint = system.endpoint_create(U64(initial.QUOTA))
    child = Child()
    child.make(U64(initial.QUOTA))
    for _ in U64.range(6):
        system.process_install(child.process, child.process, U64(Rights.INSPECT), U64(0))
    space = system.process_space(child.process)
    assert system.process_install(child.process, space, U64(0), U64(0)) == initial.SPACE
    system.handle_close(space)
    block = new_start_block()
    block.add(EntryKind.ARGUMENT, data(b""), data(b"files"))
    block.add(EntryKind.ARGUMENT, data(b""), data(b"root=1048576"))
    state = system.memory_create(U64(initial.QUOTA), U64(4096), U64(MEMORY_PAID))
    block.add_handle(data(b"state"), system.process_install(child.process, state, U64(KEPT), U64(0)))
    block.add_handle(data(b"offer"), system.process_install(child.process, endpoint, U64(SERVER), U64(0)))
    content = block.encode()
    source = UserPtr.at(U8, content.content().pointer.address.value)
    populate(child.process, U64(layout.BUNDLE_START), source, content.length, content.length, U64(READ))
    child.start(code_address(run_service), U64(0))
    return system.handle_derive(endpoint, U64(CLIENT), U64(7))


def fill(names: List[Text], originals: List[Text]) -> None:
    """Make the working directory as it is before each command line."""
    work = Text("/work")
    if exists(work):
        remove_tree(work)
    make_parents(work, U64(0o755))
    for i in U64.range(names.length):
        make_parents(directory_name(names[i]), U64(0o755))
        file = create_file(names[i], U64(FILE_MODE))
        file.write(originals[i].content)
        file.close()


def show(path: Text) -> None:
    """A line for a file or directory, and for all in it."""
    found = status(path)
    if found.kind == DIRECTORY:
        write_text(stdout, f"{path} {found.mode:o} -\n")
        for name in list_directory(path):
            show(join(path, name))
    else:
        write_text(stdout, f"{path} {found.mode:o} {digest_of(open_path(path))}\n")


def main() -> None:
    names = List[Text]()
    originals = List[Text]()
    for i in U64.range(bundle.count):
        name = Text.from_bytes(bundle.name(bundle.entry(i)))
        if name.starts_with("work/"):
            names.append(Text(f"/{name}"))
            originals.append(Text.from_bytes(bundle.data(bundle.entry(i))))
    commands = List[Text]()
    for line in lines(open_file(Text("commands"))):
        commands.append(line)
    block = new_start_block()
    block.add(EntryKind.ENVIRONMENT, data(b"PWD"), data(b"/work"))
    block.add_handle(data(b"files"), start_service())
    own = block.encode()
    bundle.attach(own.content().pointer.address.value, own.length)
    for command in commands:
        fill(names, originals)
        arguments = command.split("\t")
        result = dispatch(arguments[0], arguments)
        if result is None:
            panic("there is no such utility")
        write_text(stdout, f"\x01 {result}\n")
        for name in list_directory(Text("/work")):
            show(join(Text("/work"), name))
        write_text(stdout, "\x02\n")
