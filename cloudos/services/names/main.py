"""The names service: keeps handles that components publish, and gives copies of them to who asks by name."""

from __future__ import annotations

from cloudos.abi.errors import (
    BadArgument,
    BadHandle,
    Denied,
    NotFound,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
)
from cloudos.abi.objects import Kind, Rights
from cloudos.contracts.errors import Exists, NoSpace
from cloudos.contracts.names import LONGEST, Names
from cloudos.lang import U8, U64, Slice, managed, write_text
from cloudos.sdk import system, transport
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.map import Map
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import held
from cloudos.sdk.errors import KeyMissing
from cloudos.sdk.heap import has_room
from cloudos.sdk.service import CALLER, server

# What is found can be called, given away and copied, and nothing else can be done with it.
RIGHTS = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
MOST_EACH = 16  # names of one badge
MOST = 256  # names, or fewer where the quota has no room for them
ROOM = 4096  # bytes that must be left of the memory of the service


@managed
class Published:
    """What stands behind a name: `handle` is the service's own."""

    handle: U64
    contract: U64
    publisher: U64


@managed
class NameServer:
    """All names, in the order in which they were published."""

    names: Map[Text, Published]

    def publish(self, name: Slice[U8], contract: U64, capability: U64) -> None:
        """See `Names`."""
        if not is_name(name) or not is_endpoint(capability):
            raise BadArgument
        key = Text.from_bytes(name)
        if key in self.names:
            raise Exists
        if self.names.length >= MOST or self.count_of(CALLER.badge) >= MOST_EACH:
            raise NoSpace
        growth = self.names.growth()
        if not has_room(U64(ROOM) + growth, max(U64(ROOM), growth)):
            raise NoSpace
        try:
            kept = derived(capability)
        except BadHandle:
            raise Denied
        self.names[key] = Published(kept, contract, CALLER.badge)
        # The one that came may have more rights; the copy does not need it.
        transport.close(capability)

    def look_up(self, name: Slice[U8]) -> U64:
        """See `Names`. A name whose handle was taken back is forgotten."""
        found = self.find(name)
        try:
            return derived(found.handle)
        except (BadHandle, Denied):
            self.forget(name)
            raise NotFound

    def contract_of(self, name: Slice[U8]) -> U64:
        """See `Names`."""
        return self.find(name).contract

    def withdraw(self, name: Slice[U8]) -> None:
        """See `Names`."""
        if self.find(name).publisher != CALLER.badge:
            raise Denied
        self.forget(name)

    def list(self, position: U64, into: Slice[U8]) -> U64:
        """See `Names`."""
        line = ByteBuffer()
        number, used = U64(0), U64(0)
        for name, one in self.names.items():
            number += 1
            if number <= position:
                continue
            line.clear()
            write_text(line, f"{name} {one.contract} {one.publisher}\0")
            if line.length > into.length - used:
                break
            into[used : used + line.length].copy_from(line.content())
            used += line.length
        return used

    def find(self, name: Slice[U8]) -> Published:
        """What is published under a name. Raises NotFound."""
        try:
            return self.names[Text.from_bytes(name)]
        except KeyMissing:
            raise NotFound

    def forget(self, name: Slice[U8]) -> None:
        """Remove a name and close what stands behind it. Raises NotFound."""
        try:
            transport.close(self.names.pop(Text.from_bytes(name)).handle)
        except KeyMissing:
            raise NotFound

    def count_of(self, publisher: U64) -> U64:
        """How many names a badge has published."""
        count = U64(0)
        for one in self.names.values():
            if one.publisher == publisher:
                count += 1
        return count


def is_name(name: Slice[U8]) -> bool:
    """Whether these bytes may be a name: `list` separates with spaces and zero bytes, and people look at it."""
    for byte in name:
        if byte <= 0x20 or byte == 0x7F:
            return False
    return 0 < name.length <= LONGEST


def is_endpoint(handle: U64) -> bool:
    """Whether a handle names something that can be called, if it is one."""
    try:
        return system.handle_inspect(handle) & 0xFF == U64(Kind.ENDPOINT)
    except BadHandle:
        return False


def derived(handle: U64) -> U64:
    """A copy of a handle, for calls. Raises BadHandle: it was taken back; Denied: it lacks a right; NoSpace."""
    try:
        return system.handle_derive(handle, U64(RIGHTS), U64(0))
    except (QuotaExceeded, OutOfMemory, TooManyHandles):
        raise NoSpace
    except (BadArgument, PeerGone):
        raise BadHandle


def new_names() -> NameServer:
    """The service without names."""
    return NameServer(Map[Text, Published]())


serve = server((Names, NameServer), symbol="names_serve")


def main() -> None:
    """Serve for ever."""
    serve(held("offer"), new_names())
