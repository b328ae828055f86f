"""The numbers to reach, for each row of `cloudos bench` that has one."""

from __future__ import annotations

from cloudos.host.bench import Report

ZEROING = {"x86_64": 512, "aarch64": 320}
"""Instructions that fill a page with zeros: 512 rounds of `rep stosq`, 64 blocks of five."""

AT_MOST: dict[str, float] = {
    "bytes.kernel": 51_200,
    "null_system_call": 60,
    "message_one_way": 220,
    "round_trip": 440,
    "interrupt_to_handler": 450,
    "longest_interrupts_off": 10_000,
    "thread_switch_same_space": 150,
    "thread_switch_other_space": 200,
    "page_fault_anonymous": 600,
    "revoke_10000_longest_step": 10_000,
    "boot_to_user": 3_000_000,
    "boot_to_user_4_gb": 6_000_000,
    "boot_to_prompt": 20_000_000,
    "smallest_memory_kb": 2048,
    "memory_overhead_percent": 2,
}
"""By key. A page fault has the zeroing of its page besides."""


def limit(key: str, arch: str) -> float | None:
    """The most that a row may be; None where there is no target."""
    found = AT_MOST.get(key)
    return found + ZEROING[arch] if found is not None and key == "page_fault_anonymous" else found


def missed(report: Report) -> dict[str, float]:
    """The rows that are more than they may be."""
    from cloudos.host import baseline

    found = {}
    for key, value in baseline.values(report.as_object()).items():
        most = limit(key, report.arch)
        if most is not None and value > most:
            found[key] = value
    return found
