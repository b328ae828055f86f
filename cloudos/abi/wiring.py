"""The wiring of a system image: the text that the image's builder writes and init reads.

One statement a line, words separated by single spaces, names without spaces. Components stand in the order in which
they start; what belongs to a component follows it, indented by nothing. Numbers are decimal; sizes are bytes, times
nanoseconds.

    component NAME PROGRAM              begins a component; PROGRAM is the path of a file in the bundle
    memory BYTES                        its quota
    share NUMBER                        its part of what the machine has beyond all quotas: NUMBER of the sum of all
    handles NUMBER                      how many handles it may hold at once, rounded up to a multiple of 63; 0: as many
                                        as its quota pays for
    schedule PRIORITY BUDGET PERIOD     its time: BUDGET of each PERIOD
    label NUMBER                        of the policy; 0 without a policy
    restart POLICY LIMIT BACKOFF        always, on-failure, never, or machine: the machine ends with it and its status;
                                        at most LIMIT times (0: any number), waiting BACKOFF, then twice as long
    state BYTES                         memory that it keeps across its own crashes
    argument TEXT                       one argument, to the end of the line
    offer NAME                          an endpoint that it receives from; one at most
    need NAME COMPONENT USE             a handle to what COMPONENT offers (or `init`), under NAME. USE: `use`, or
                                        `mint` for who may make further sessions of it, `signal` for the right to
                                        signal the notification that COMPONENT holds as `bell`,
                                        `write` for who may write to the boot log of `init` and nothing else
    told COMPONENT                      its `bell` gets the signal RESTARTED whenever COMPONENT was started again
    ports NAME FIRST LENGTH             a part of the machine's I/O ports
    registers NAME FIRST LENGTH         a part of the machine's device memory
    interrupt NAME LINE FLAGS           an interrupt line
    grant NAME KIND                     what the first process holds: audit, policy, image (the boot bundle, to read),
                                        or programs (the boot bundle, to run programs from)

A component finds each of these under its NAME among its handles, besides `offer` (the endpoint that it receives from),
`bell` (a notification of its own, when it offers something) and `state`.
"""

from __future__ import annotations

VERSION = 1
RESTARTED = 1 << 63
POLICIES = ("always", "on-failure", "never", "machine")
USES = ("use", "mint", "signal", "write")
GRANTS = ("audit", "policy", "image", "programs")
