"""`located`: a struct that lies wherever a function says, asked anew at every use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from cloudos.lang.addresses import VirtAddr
from cloudos.lang.fields import access_through
from cloudos.lang.pointers import pointer_at

V = TypeVar("V")


def located(kind: type[V], where: Callable[[], VirtAddr]) -> V:
    """The struct of class `kind` that lies at the address `where()`: what each processor keeps for itself.

    Compiled, every use is a call of `where`, which raises nothing and should be a machine primitive without side
    effects; where its template names a segment, fields are loaded and stored through that. The fields are those of
    whatever struct lies there at the moment; whole ones cannot be stored or copied through it. Raises TypeError when
    `kind` is not a struct.
    """
    if not hasattr(kind, "__struct__"):
        raise TypeError(f"only structs are located, not {kind!r}")
    plain: Any = kind
    info = plain.__struct__

    known: Any = None
    at = 0

    def view() -> Any:
        nonlocal known, at
        address = where()._value
        if address != at or known._region._rules.freed:
            known, at = pointer_at(plain, address).value, address
        return known

    body = {
        "__slots__": (),
        "__struct_info__": info,
        "__located__": (where, plain),
        "_view": staticmethod(view),
        "_region": property(lambda self: view()._region),
        "_offset": property(lambda self: view()._offset),
    }
    body.update({field.name: access_through(view, getattr(plain, field.name)) for field in info.fields})
    made: Any = type(plain)(plain.__name__, (plain,), body)
    return object.__new__(made)  # type: ignore[no-any-return]
