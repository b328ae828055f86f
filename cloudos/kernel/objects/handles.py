"""System calls on handles, quotas, the policy and the audit ring."""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadHandle,
    BadState,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    Sealed,
    TooManyHandles,
)
from cloudos.abi.objects import ALL_RIGHTS_BITS, DERIVED, Rights
from cloudos.kernel.memory import user_memory
from cloudos.kernel.objects import audit, policy, quota
from cloudos.kernel.objects.header import Capability, Quota
from cloudos.kernel.objects.threads import own_table
from cloudos.kernel.restart import Restart
from cloudos.kernel.security import capabilities
from cloudos.lang import U8, U32, U64, Array, Ptr, Slice, UserPtr

__all__ = ["BadAddress", "BadHandle", "BadState"]
__all__ += ["OutOfMemory", "PeerGone", "QuotaExceeded", "Sealed", "TooManyHandles"]

# Each is below 900 instructions, when a thread is woken that has a deadline among 60,000 others.
STEPS_AT_ONCE = 10


def handle_derive(handle: U64, rights: U64, badge: U64) -> U64:
    """System call."""
    if rights & ~U64(ALL_RIGHTS_BITS) != 0:
        raise BadArgument
    source = capabilities.find(own_table(), handle)
    return capabilities.derive(source, own_table(), Rights(U32(rights)), badge)


def handle_close(handle: U64) -> None:
    """System call. Waking those who wait through the handle may take several rounds."""
    capability = capabilities.find(own_table(), handle)
    for _ in U64.range(STEPS_AT_ONCE):
        if capabilities.remove_step(capability):
            return
    raise Restart


def handle_revoke(handle: U64) -> None:
    """System call. Interrupts are taken after every round."""
    capability = capabilities.find(own_table(), handle)
    if Rights.REVOKE not in capability.value.rights:
        raise Denied
    for _ in U64.range(STEPS_AT_ONCE):
        if capabilities.revoke_step(capability):
            return
    raise Restart


def handle_inspect(handle: U64) -> U64:
    """System call."""
    capability = capabilities.find(own_table(), handle).value
    shape = U64(U8(capability.object.value.kind)) | U64(U32(capability.rights)) << 8
    return shape if capability.child.is_null() else shape | DERIVED


def quota_create(parent: Ptr[Quota], limit: U64) -> U64:
    """System call."""
    return quota.quota_create(own_table(), parent.value, limit)


def quota_inspect(target: Ptr[Quota], buffer: UserPtr[U8]) -> None:
    """System call."""
    numbers = Array[U64, Literal[2]]()
    numbers[0] = target.value.used
    numbers[1] = target.value.limit
    user_memory.copy_out(buffer.address, Slice.of(Ptr.to(numbers).cast(U8), U64(16)))


def policy_load(capability: Ptr[Capability], data: UserPtr[U8], length: U64) -> None:
    """System call."""
    policy.policy_load(data, length)


def policy_seal(capability: Ptr[Capability]) -> None:
    """System call."""
    policy.policy_seal()


def audit_read(capability: Ptr[Capability], buffer: UserPtr[U8], length: U64) -> U64:
    """System call."""
    return audit.audit_read(buffer, length)
