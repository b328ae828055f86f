"""The audit service: takes the kernel's records, chains them, and gives them to who may read."""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadHandle,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    WrongKind,
)
from cloudos.abi.messages import NEVER
from cloudos.contracts.audits import Audit
from cloudos.lang import U8, U64, Array, Ptr, Slice, UserPtr, managed, new_slice, place, struct, zeroed
from cloudos.sdk import print_error, system
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.component import held
from cloudos.sdk.memory import READ, WRITE, Memory, view
from cloudos.sdk.service import server
from cloudos.services.audit.chain import RECORD, Chain, Entry, bytes_at, new_chain
from cloudos.services.audit.text import BROKEN, LOST, write_entry

BATCH = 32  # records that the kernel gives at once
ROUNDS = 64  # batches that are taken before others have a turn
EVERY = 20_000_000  # nanoseconds between looks at the kernel's records
WITHOUT_STATE = 65536  # bytes of chain when init keeps nothing for the service


@struct
class Arrived:
    """Records as the kernel gives them, one after the other."""

    bytes: Array[U8, Literal[1536]] = zeroed()


ARRIVED = place(Arrived())


@managed
class AuditServer:
    """The chain, and the handle to the kernel's records: 0 when there is none to read from."""

    chain: Chain
    audit: U64
    due: U64 = U64(0)

    def read(self, position: U64, into: Slice[U8]) -> U64:
        """See `Audit`. Of a number that is not held any more, the oldest record that is."""
        self.drain()
        number = max(position, self.chain.anchor.first)
        if number > self.chain.anchor.count:
            return U64(0)
        line = ByteBuffer()
        write_entry(line, number, self.chain.entry(number))
        count = min(line.length, into.length)
        into[0:count].copy_from(line.content()[0:count])
        return count

    def verify(self) -> tuple[U64, U64]:
        """See `Audit`: of the records that are held."""
        self.drain()
        return self.chain.held(), self.chain.sound()

    def deadline(self) -> U64:
        """When to look at the kernel's records next."""
        return self.due if self.audit != 0 else U64(NEVER)

    def expired(self) -> None:
        """Look at the kernel's records."""
        self.drain()

    def drain(self) -> None:
        """Chain what the kernel has recorded."""
        if self.audit == 0:
            return
        for _ in U64.range(ROUNDS):
            if self.take_batch() < BATCH:
                break
        self.due = system.clock_read() + EVERY

    def take_batch(self) -> U64:
        """Chain up to 32 records; how many."""
        space = UserPtr.at(U8, Ptr.to(ARRIVED).address.value)
        try:
            result = system.audit_read(self.audit, space, U64(BATCH * RECORD))
        except (BadAddress, BadHandle, WrongKind, Denied, PeerGone):
            print_error("audit: the kernel's records cannot be read")
            self.audit = U64(0)
            return U64(0)
        lost, count = result >> 32, result & 0xFFFF_FFFF
        if lost > 0:
            self.tell(U64(LOST), lost)
        entry = Entry()
        for index in U64.range(count):
            record = ARRIVED.bytes.slice()[index * RECORD : (index + 1) * RECORD]
            bytes_at(Ptr.to(entry).cast(U8), U64(RECORD)).copy_from(record)
            self.chain.add(entry)
        if count > 0:
            self.chain.write_anchor()
        return count

    def tell(self, what: U64, detail: U64) -> None:
        """A record of the service's own."""
        entry = Entry()
        entry.time = system.clock_read()
        entry.object = what
        entry.detail = detail
        self.chain.add(entry)
        self.chain.write_anchor()

    def begin(self) -> None:
        """Continue the chain that the memory holds; say so when it is not sound, and leave it as it is."""
        if self.chain.recover():
            count, sound = self.chain.recent(), self.chain.recent_sound()
            if sound != count:
                print_error(f"audit: only {sound} of the last {count} records are sound")
                self.tell(U64(BROKEN), sound)
        elif not self.chain.is_fresh():
            print_error("audit: the anchor of the chain is lost")
            self.tell(U64(BROKEN), U64(0))


def kept_memory(state: U64) -> Slice[U8]:
    """The memory that init keeps for the service, or memory of its own when there is none."""
    if state != 0:
        memory = Memory(state)
        try:
            length = memory.inspect().length
            return view(memory.map(U64(0), length, U64(READ | WRITE)), length)
        except (BadAddress, BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, QuotaExceeded, WrongKind):
            print_error("audit: the memory kept for the service cannot be used")
    return new_slice(U8, U64(WITHOUT_STATE))


def new_audit(audit: U64, state: U64) -> AuditServer:
    """The service over a handle to the kernel's records and one to kept memory; either may be 0."""
    made = AuditServer(new_chain(kept_memory(state)), audit)
    made.begin()
    return made


serve = server((Audit, AuditServer), symbol="audit_serve")


def main() -> None:
    """Serve for ever."""
    serve(held("offer"), new_audit(held("audit"), held("state")))
