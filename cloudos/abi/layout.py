"""Address map of a process. Addresses are bytes; every bound is a multiple of the page size."""

from __future__ import annotations

PAGE_SIZE = 4096
LARGE_PAGE_SIZE = 2 << 20

# Nothing is ever mapped below, so that a null pointer plus an offset faults.
USER_START = 0x1_0000
# Programs are linked here, and may extend up to the bundle.
PROGRAM_START = 0x40_0000
BUNDLE_START = 0x10_0000_0000
# Where a process that uses contracts has the message buffer of its first thread: a page of its own below the bundle.
MESSAGE_BUFFER = BUNDLE_START - PAGE_SIZE
# What init and the loader show a process below that page, all within its 2 MB, so that one table of pages is enough:
# what it is started with, and at some distance its stack. Programs that they start may extend up to here.
STARTED_START = BUNDLE_START - LARGE_PAGE_SIZE
STARTED_STACK_TOP = MESSAGE_BUFFER - PAGE_SIZE
STARTED_STACK_SIZE = 1 << 20
HEAP_START = 0x20_0000_0000
HEAP_END = 0x7000_0000_0000
# Up to the stack: where programs map memory objects by themselves.
SHARED_START = HEAP_END
# The last page below the middle of the address space stays empty: a SYSCALL in it would return to an address that
# makes SYSRET fault in the kernel (AMD64 manual volume 3, SYSRET; Intel SDM volume 2, SYSRET).
USER_END = 0x7FFF_FFFF_F000
# Where the processor has addresses of 57 bits, memory can be mapped further up, to here.
WIDE_USER_END = (1 << 56) - PAGE_SIZE
STACK_TOP = USER_END
STACK_SIZE = 8 << 20
# Below the stack: an access here is a stack that grew too far.
STACK_GUARD_SIZE = 1 << 20
