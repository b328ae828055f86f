"""The policy that came with the program: put in force and sealed before `main` begins."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.bundle import EntryKind
from cloudos.lang import U8, U32, U64, UserPtr
from cloudos.sdk import system
from cloudos.sdk.bundle import bundle


def enforce() -> None:
    """Load and seal the policy of the bundle, if it has one. Raises what policy_load and policy_seal do."""
    for number in U64.range(bundle.count):
        entry = bundle.entry(number)
        if entry.kind == U32(EntryKind.POLICY):
            matrix = bundle.data(entry)
            policy = U64(initial.POLICY)
            system.policy_load(policy, UserPtr.at(U8, matrix.pointer.address.value), matrix.length)
            system.policy_seal(policy)
