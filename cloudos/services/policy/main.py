"""The policy service: tells what the matrix of the boot bundle allows, and what its labels are called."""

from __future__ import annotations

from cloudos.abi.bundle import EntryKind
from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadHandle,
    Denied,
    NotFound,
    PeerGone,
    WrongKind,
)
from cloudos.abi.objects import ALL_OPERATIONS
from cloudos.contracts.policies import Policies
from cloudos.lang import U8, U64, Slice, managed, panic, place, write_text
from cloudos.sdk.bundle import Bundle
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.map import Map
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import held
from cloudos.sdk.errors import BadBundle, InvalidNumber
from cloudos.sdk.memory import READ, Memory
from cloudos.sdk.service import server

IMAGE = place(Bundle())


@managed
class PolicyServer:
    """The matrix, a byte for each pair of labels, row by row of who acts; `count` labels. Names by number."""

    matrix: Slice[U8]
    count: U64
    names: Map[U64, Text]

    def labels(self, position: U64, into: Slice[U8]) -> U64:
        """See `Policies`."""
        line = ByteBuffer()
        used = U64(0)
        for number in U64.range(min(position, self.count), self.count):
            line.clear()
            write_text(line, f"{number}")
            if number in self.names:
                write_text(line, f" {self.names.get(number, Text(''))}")
            write_text(line, "\0")
            if line.length > into.length - used:
                break
            into[used : used + line.length].copy_from(line.content())
            used += line.length
        return used

    def allowed(self, subject: U64, object: U64) -> U64:
        """See `Policies`."""
        if self.count == 0:
            return U64(ALL_OPERATIONS)
        if subject >= self.count or object >= self.count:
            raise NotFound
        return U64(self.matrix[subject * self.count + object])


def image_bundle(handle: U64) -> Bundle:
    """The boot bundle in a memory object. Raises OutOfMemory, QuotaExceeded, and BadBundle: it is none."""
    memory = Memory(handle)
    try:
        length = memory.inspect().length
        IMAGE.attach(memory.map(U64(0), length, U64(READ)), length)
    except (BadAddress, BadArgument, BadHandle, Denied, PeerGone, WrongKind):
        raise BadBundle
    return IMAGE


def matrix_of(image: Bundle) -> Slice[U8]:
    """The matrix of the policy; empty when there is none."""
    number = image.find(EntryKind.POLICY, image.content[0:0])
    return image.content[0:0] if number is None else image.data(image.entry(number))


def labels_of(length: U64) -> U64:
    """How many labels a matrix of so many bytes has. Raises BadBundle when it is not square."""
    count = U64(0)
    while count * count < length:
        count += 1
    if count * count != length:
        raise BadBundle
    return count


def take_argument(argument: Text, names: Map[U64, Text]) -> None:
    """Learn a label's name from `label=NUMBER:NAME`; anything else is ignored."""
    colon = argument.find(":")
    if colon is None or not argument.starts_with("label="):
        return
    try:
        number = argument.slice(U64(6), colon).to_integer()
        if number >= 0:
            names[U64(number)] = argument.slice(colon + 1, argument.length)
    except InvalidNumber:
        return


def new_policy(arguments: List[Text], image: Bundle) -> PolicyServer:
    """The service over a boot bundle. Raises BadBundle when its policy is no matrix."""
    names = Map[U64, Text]()
    for argument in arguments:
        take_argument(argument, names)
    matrix = matrix_of(image)
    return PolicyServer(matrix, labels_of(matrix.length), names)


serve = server((Policies, PolicyServer), symbol="policy_serve")


def main(arguments: List[Text]) -> None:
    """Serve for ever. Raises OutOfMemory, QuotaExceeded: there is none yet to show the boot bundle."""
    try:
        serve(held("offer"), new_policy(arguments, image_bundle(held("image"))))
    except BadBundle:
        # To answer that everything is allowed would be a lie.
        panic("the boot bundle cannot be read")
