"""How a system call asks to be made again: by all that it raises before it has changed anything.

That is what a call does which waits without keeping any state in the kernel, and one that has found out that it touches
more than it may now (`sched/requests.py`).
"""

from __future__ import annotations

from cloudos.lang import Error


class Restart(Error):
    """When the thread runs next, it makes the system call again; one that was not alone in the kernel does so now, and
    may touch what belongs to the processor that is wanted (`requests.reaches`), or else is alone."""

    # Of no error that a program sees.
    code = 255
