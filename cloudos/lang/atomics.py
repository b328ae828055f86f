"""`Atomic[T]`: an integer cell that processors share, and memory fences.

Orders are C11's (ISO/IEC 9899:2011 §7.17.3). Under CPython there is one processor, so every order is the
strongest; arithmetic wraps.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cloudos.lang.enums import enum
from cloudos.lang.generics import specialise
from cloudos.lang.integers import U8, Integer
from cloudos.lang.layout import AggregateLayout, Layout, layout_of, type_name
from cloudos.lang.memory import Region
from cloudos.lang.panics import intrinsic
from cloudos.lang.structs import View

T = TypeVar("T", bound=Integer)


@enum(U8)
class Order(IntEnum):
    """How an atomic access is ordered with the accesses around it."""

    RELAXED = 0
    ACQUIRE = 2
    RELEASE = 3
    ACQ_REL = 4
    SEQ_CST = 5


class Atomic(View, Generic[T]):
    """A cell of 8 to 64 bits, to be embedded in structs: `ready: Atomic[U32] = Atomic(U32(0))`."""

    __slots__ = ()
    element: Any = None

    if not TYPE_CHECKING:

        def __class_getitem__(cls, arguments: Any) -> Any:
            return specialise(cls, arguments, _finish)

        @classmethod
        def __layout__(cls) -> Layout:
            item = layout_of(cls.element)
            return AggregateLayout(cls, item.size, item.align)

        def __new__(cls, value: Any) -> Any:
            if "__args__" in cls.__dict__:
                return object.__new__(cls)
            if not isinstance(value, Integer):
                raise TypeError(f"Atomic takes an integer of fixed width, not {type(value).__name__}")
            return object.__new__(Atomic[type(value)])

    @intrinsic("Atomic.make")
    def __init__(self, value: T) -> None:
        layout = layout_of(type(self))
        self._region = Region(layout.size, layout.align, owner=self)
        self._offset = 0
        self._set(value)

    def _get(self) -> Any:
        return layout_of(self.element).load(self._region, self._offset)

    def _set(self, value: Any) -> None:
        layout_of(self.element).store(self._region, self._offset, value)

    def _typed(self, value: T | int) -> T:
        if type(value) is int:
            return self.element(value)  # type: ignore[no-any-return]
        if type(value) is not self.element:
            raise TypeError(f"expected {type_name(self.element)}, not {type(value).__name__}")
        return value  # type: ignore[return-value]

    @intrinsic("Atomic.load")
    def load(self, order: Order = Order.SEQ_CST) -> T:
        """The value. Orders: RELAXED, ACQUIRE, SEQ_CST."""
        _refuse(order, Order.RELEASE, Order.ACQ_REL)
        return self._get()  # type: ignore[no-any-return]

    @intrinsic("Atomic.store")
    def store(self, value: T | int, order: Order = Order.SEQ_CST) -> None:
        """Set the value. Orders: RELAXED, RELEASE, SEQ_CST."""
        _refuse(order, Order.ACQUIRE, Order.ACQ_REL)
        self._set(self._typed(value))

    @intrinsic("Atomic.exchange")
    def exchange(self, value: T | int, order: Order = Order.SEQ_CST) -> T:
        """Set the value; returns the one before."""
        before: T = self._get()
        self._set(self._typed(value))
        return before

    @intrinsic("Atomic.compare_exchange")
    def compare_exchange(self, expected: T | int, new: T | int, order: Order = Order.SEQ_CST) -> bool:
        """Set to `new` if the value is `expected`; whether it was. Never fails for no reason."""
        wanted, value = self._typed(expected), self._typed(new)
        if self._get() != wanted:
            return False
        self._set(value)
        return True

    @intrinsic("Atomic.fetch_add")
    def fetch_add(self, value: T | int, order: Order = Order.SEQ_CST) -> T:
        """Add, wrapping; returns the value before."""
        before: T = self._get()
        self._set(before.wrapping_add(self._typed(value)))
        return before

    @intrinsic("Atomic.fetch_sub")
    def fetch_sub(self, value: T | int, order: Order = Order.SEQ_CST) -> T:
        """Subtract, wrapping; returns the value before."""
        before: T = self._get()
        self._set(before.wrapping_sub(self._typed(value)))
        return before

    @intrinsic("Atomic.fetch_or")
    def fetch_or(self, value: T | int, order: Order = Order.SEQ_CST) -> T:
        """Set bits; returns the value before."""
        before: T = self._get()
        self._set(before | self._typed(value))
        return before

    @intrinsic("Atomic.fetch_and")
    def fetch_and(self, value: T | int, order: Order = Order.SEQ_CST) -> T:
        """Keep only the given bits; returns the value before."""
        before: T = self._get()
        self._set(before & self._typed(value))
        return before

    def __eq__(self, other: object) -> bool:
        raise TypeError("atomics do not compare: load() first")

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __bool__(self) -> bool:
        raise TypeError("an atomic is not a condition: load() and compare")

    def __repr__(self) -> str:
        return f"{type_name(type(self))}({self._get()})"


def _finish(cls: type[Any]) -> None:
    cls.element = cls.__args__[0]
    if isinstance(cls.element, type) and not issubclass(cls.element, Integer):
        raise TypeError(f"Atomic[{type_name(cls.element)}]: only integers of fixed width can be atomic")


def _refuse(order: Order, *wrong: Order) -> None:
    if order in wrong:
        raise TypeError(f"{order.name} means nothing here")


@intrinsic("fence")
def fence(order: Order = Order.SEQ_CST) -> None:
    """Order all memory accesses before against all after."""
