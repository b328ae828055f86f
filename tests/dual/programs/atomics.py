"""Atomic cells: one thread here, so every order gives the sequential answer."""

from __future__ import annotations

from cloudos.lang import I32, U8, U16, U32, U64, Atomic, Order, fence, struct


@struct
class Shared:
    byte: Atomic[U8] = Atomic(U8(0))
    half: Atomic[U16] = Atomic(U16(7))
    word: Atomic[U32] = Atomic(U32(0))
    long: Atomic[U64] = Atomic(U64(1 << 40))
    signed: Atomic[I32] = Atomic(I32(-5))


SHARED = Shared()


def load_store(a: U32) -> U32:
    SHARED.word.store(a, Order.RELEASE)
    fence(Order.SEQ_CST)
    return SHARED.word.load(Order.ACQUIRE)


def exchange(a: U16, b: U16) -> tuple[U16, U16]:
    SHARED.half.store(a)
    old = SHARED.half.exchange(b, Order.ACQ_REL)
    return old, SHARED.half.load(Order.RELAXED)


def compare_exchange(a: U8, b: U8, c: U8) -> tuple[bool, U8]:
    SHARED.byte.store(a % 4)
    done = SHARED.byte.compare_exchange(b % 4, c)
    return done, SHARED.byte.load()


def arithmetic(a: U64, b: U64) -> tuple[U64, U64, U64]:
    """Addition and subtraction wrap."""
    SHARED.long.store(a)
    first = SHARED.long.fetch_add(b)
    second = SHARED.long.fetch_sub(a, Order.RELAXED)
    return first, second, SHARED.long.load()


def small_arithmetic(a: U8, b: U8) -> tuple[U8, U8]:
    SHARED.byte.store(a)
    return SHARED.byte.fetch_add(b), SHARED.byte.load()


def signed_arithmetic(a: I32, b: I32) -> tuple[I32, I32]:
    SHARED.signed.store(a)
    return SHARED.signed.fetch_sub(b), SHARED.signed.load()


def bits(a: U32, b: U32) -> tuple[U32, U32, U32]:
    SHARED.word.store(a)
    first = SHARED.word.fetch_or(b)
    second = SHARED.word.fetch_and(a ^ b)
    return first, second, SHARED.word.load()


def local(a: U32) -> U32:
    shared = Shared()
    shared.word.store(a)
    return shared.word.fetch_add(U32(1)) ^ shared.word.load()
