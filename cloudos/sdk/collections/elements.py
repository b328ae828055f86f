"""What a container may hold, checked while the program is compiled."""

from __future__ import annotations

from typing import Any

from cloudos.lang import comptime


@comptime
def check_element(item_type: type[Any]) -> None:
    """Refuse structs. Raises TypeError, during compilation or, under CPython, when a container is made."""
    if getattr(item_type, "__struct__", None) is not None:
        raise TypeError(
            f"a container cannot hold the struct {item_type.__name__}: an element would be a reference into storage "
            "that moves when the container grows; make it a @managed class"
        )
