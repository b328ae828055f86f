"""How a system call that waits without keeping any state in the kernel asks to be made again."""

from __future__ import annotations

from cloudos.lang import Error


class Restart(Error):
    """When the thread runs next, it makes the system call again."""
