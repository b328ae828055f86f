"""Errors raised, caught, passed on, and what runs on every way out."""

from __future__ import annotations

from cloudos.lang import U8, U32, Error, struct


class Broken(Error):
    code = 901


class TooLarge(Broken):
    code = 902


class Missing(Error):
    code = 903


@struct
class Log:
    steps: U32 = U32(0)

    def note(self, tag: U32) -> None:
        self.steps = self.steps.wrapping_mul(10).wrapping_add(tag)

    def __enter__(self) -> Log:
        self.note(U32(1))
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.note(U32(2))


LOG = Log()


def _check(a: U8) -> U8:
    if a == 1:
        raise Broken
    if a == 2:
        raise TooLarge()
    if a == 3:
        raise Missing
    return a


def uncaught(a: U8) -> U8:
    return _check(a % 5) + 1


def through_two_calls(a: U8) -> U8:
    return _outer(a % 5)


def _outer(a: U8) -> U8:
    x = _check(a)
    return x * 2


def nothing_returned(a: U8) -> None:
    _check(a % 5)


def caught(a: U8) -> U8:
    try:
        return _check(a % 5)
    except Broken:
        return U8(100)


def caught_subclass_first(a: U8) -> U8:
    try:
        result = _check(a % 5)
    except TooLarge:
        result = U8(50)
    except Broken:
        result = U8(60)
    return result


def caught_base_first(a: U8) -> U8:
    try:
        result = _check(a % 5)
    except Broken:
        result = U8(60)
    except Error:
        result = U8(70)
    return result


def caught_several(a: U8) -> U8:
    try:
        result = _check(a % 5)
    except (TooLarge, Missing):
        result = U8(51)
    return result


def caught_all(a: U8) -> U8:
    try:
        result = _check(a % 5)
    except Error:
        result = U8(52)
    return result


def with_else(a: U8) -> U32:
    LOG.steps = U32(0)
    try:
        _check(a % 5)
    except Missing:
        LOG.note(U32(3))
    else:
        LOG.note(U32(4))
    return LOG.steps


def else_is_not_guarded(a: U8) -> U8:
    try:
        x = _check(a % 5)
    except Broken:
        return U8(1)
    else:
        return _check(x - 3)


def with_finally(a: U8) -> U32:
    LOG.steps = U32(0)
    try:
        LOG.note(U32(1))
        _check(a % 5)
        LOG.note(U32(2))
    except Broken:
        LOG.note(U32(3))
    finally:
        LOG.note(U32(4))
    LOG.note(U32(5))
    return LOG.steps


def steps_of_finally(a: U8) -> U32:
    """What the finally clause of a failed call has noted."""
    LOG.steps = U32(0)
    try:
        _noted(a % 5)
    except Error:
        LOG.note(U32(9))
    return LOG.steps


def _noted(a: U8) -> U8:
    try:
        LOG.note(U32(1))
        return _check(a)
    finally:
        LOG.note(U32(2))


def finally_after_return(a: U8) -> tuple[U8, U32]:
    LOG.steps = U32(0)
    result = _return_in_try(a)
    return result, LOG.steps


def _return_in_try(a: U8) -> U8:
    x = a
    try:
        if a > 10:
            return x
        LOG.note(U32(1))
    finally:
        x = U8(0)
        LOG.note(U32(2))
    LOG.note(U32(3))
    return x


def finally_in_loop(n: U8) -> U32:
    LOG.steps = U32(0)
    for i in U8.range(n % 8):
        try:
            if i == 1:
                continue
            if i == 4:
                break
            LOG.note(U32(1))
        finally:
            LOG.note(U32(2))
    else:
        LOG.note(U32(3))
    return LOG.steps


def return_in_finally_loop(n: U8) -> U32:
    LOG.steps = U32(0)
    _loop(n % 8)
    return LOG.steps


def _loop(n: U8) -> U8:
    while True:
        try:
            try:
                if n < 3:
                    return n
                n -= 1
            finally:
                LOG.note(U32(1))
        finally:
            LOG.note(U32(2))


def raise_in_handler(a: U8) -> U8:
    try:
        return _check(a % 5)
    except Missing:
        raise Broken from None


def _always_raises(a: U8) -> U8:
    raise Broken


def call_what_always_raises(a: U8) -> U8:
    try:
        return _always_raises(a)
    except Broken:
        return a


def raise_again(a: U8) -> U8:
    try:
        return _check(a % 5)
    except Broken:
        LOG.note(U32(1))
        raise


def raise_in_finally(a: U8) -> U8:
    """An error in the finally clause replaces the first one."""
    try:
        _check(a % 5)
    finally:
        _check(a % 4)
    return U8(0)


def nested_try(a: U8, b: U8) -> U32:
    LOG.steps = U32(0)
    try:
        try:
            _check(a % 5)
            LOG.note(U32(1))
        except Missing:
            LOG.note(U32(2))
            _check(b % 5)
            LOG.note(U32(3))
        finally:
            LOG.note(U32(4))
        LOG.note(U32(5))
    except TooLarge:
        LOG.note(U32(6))
    except Error:
        LOG.note(U32(7))
    return LOG.steps


def handler_in_loop(n: U8) -> U32:
    total = U32(0)
    for i in U8.range(n % 30):
        try:
            total += U32(_check(i % 5))
        except TooLarge:
            continue
        except Missing:
            total += 1000
        except Broken:
            if total > 2000:
                break
    return total


def in_an_expression(a: U8, b: U8) -> U32:
    return U32(_check(a % 5)) * 100 + U32(_check(b % 5))


def in_a_condition(a: U8) -> U8:
    if _check(a % 5) > 3 and _check(a % 4) > 0:
        return U8(1)
    while _check(a % 5) == 4:
        return U8(2)
    return U8(3)


def with_statement(a: U8) -> U32:
    LOG.steps = U32(0)
    try:
        with LOG as log:
            log.note(U32(3))
            _check(a % 5)
            log.note(U32(4))
    except Missing:
        LOG.note(U32(5))
    except Broken:
        LOG.note(U32(6))
    return LOG.steps


def with_two(a: U8) -> U32:
    LOG.steps = U32(0)
    other = Log()
    try:
        with LOG, other:
            _check(a % 5)
    except Error:
        LOG.note(U32(7))
    return LOG.steps * 1000 + other.steps


def panic_is_not_an_error(a: U8) -> U8:
    try:
        return 10 // (a % 5)
    except Error:
        return U8(77)


def value_kept_from_before(a: U8) -> U8:
    x = U8(1)
    try:
        x = U8(2)
        x = _check(a % 5)
        x += 10
    except Error:
        x += 20
    return x


def error_code(a: U8) -> U32:
    try:
        _check(a % 5)
    except Broken:
        return U32(Broken.code)
    except Missing:
        return U32(Missing.code)
    return U32(0)
