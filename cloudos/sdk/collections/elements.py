"""What a container may hold, checked when the container's type is made: while the program is compiled."""

from __future__ import annotations

import inspect
from typing import Any


def check_elements(container: type[Any]) -> None:
    """Refuse structs as type arguments. Raises TypeError where a program writes, say, `List[SomeStruct]`."""
    for item in container.__dict__.get("__args__", ()):
        if inspect.getattr_static(item, "__struct__", None) is not None:
            raise TypeError(
                f"a container cannot hold the struct {item.__name__}: an element would be a reference into storage "
                "that moves when the container grows; make it a @managed class"
            )
