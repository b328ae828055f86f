"""The SDK's containers, driven by a script of bytes: each byte is an operation, the next one or two its operands."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U64, Array, Slice, struct, write_text, zeroed
from cloudos.sdk.collections import ByteBuffer, Bytes, Counter, List, Map, Text


@struct
class Trace:
    """What an entry says about the states it went through."""

    used: U64 = U64(0)
    room: Array[U8, Literal[65536]] = zeroed()

    def begin(self) -> None:
        self.used = U64(0)

    def write(self, data: Slice[U8]) -> None:
        stop = self.used + data.length
        self.room.slice()[self.used : stop].copy_from(data)
        self.used = stop

    def say(self, text: str) -> None:
        write_text(self, text)
        write_text(self, " ")

    def content(self) -> Slice[U8]:
        return self.room.slice()[0 : self.used]


trace = Trace()


@struct
class Script:
    """Reads the script; past its end every operand is 1."""

    content: Slice[U8]
    position: U64 = U64(0)

    def more(self) -> bool:
        return self.position < self.content.length

    def next(self) -> U64:
        if not self.more():
            return U64(1)
        self.position += 1
        return U64(self.content[self.position - 1])


def _show_numbers(items: List[U64]) -> None:
    for item in items:
        trace.say(f"{item}")
    trace.say(f"#{items.length}")


def _position(items: List[U64], script: Script) -> U64:
    """Mostly a position in the list, sometimes its end, rarely beyond."""
    drawn = script.next()
    return drawn if drawn > 250 else drawn % (items.length + 1)


def _change_numbers(items: List[U64], operation: U64, script: Script) -> None:
    if operation == 0:
        items.append(script.next())
    elif operation == 1:
        items.insert(_position(items, script), script.next())
    elif operation == 2:
        trace.say(f"popped {items.pop()}")
    elif operation == 3:
        trace.say(f"removed {items.remove_at(_position(items, script))}")
    elif operation == 4:
        items[_position(items, script)] = script.next()
    elif operation == 5:
        items.extend(items)
    elif operation == 6:
        part = items.slice(_position(items, script) // 2, _position(items, script))
        _show_numbers(part)
    elif operation == 7:
        items.truncate(_position(items, script))
    elif operation == 8:
        items.reverse()
    elif operation == 9:
        items.sort(script.next() % 2 == 1)
    elif operation == 10:
        found = items.index(script.next())
        if found is not None:
            trace.say(f"at {found}")
        trace.say(f"{script.next() in items}")
    else:
        items.clear()


def list_of_numbers(content: Slice[U8]) -> Slice[U8]:
    trace.begin()
    items = List[U64]()
    script = Script(content)
    while script.more():
        _change_numbers(items, script.next() % 14, script)
        if items.length > 500:
            items.clear()
        _show_numbers(items)
        if trace.used > 50_000:
            break
    return trace.content()


def _word(number: U64) -> Text:
    return Text(f"w{number % 16}")


def _show_words(items: List[Text]) -> None:
    for item in items:
        trace.say(f"{item}")


def list_of_words(content: Slice[U8]) -> Slice[U8]:
    trace.begin()
    items = List[Text]()
    script = Script(content)
    while script.more() and items.length < 200:
        operation = script.next() % 8
        if operation < 3:
            items.append(_word(script.next()))
        elif operation == 3:
            items.insert(script.next() % (items.length + 1), _word(script.next()))
        elif operation == 4 and items.length > 0:
            trace.say(f"{items.remove_at(script.next() % items.length)}")
        elif operation == 5:
            items.sort(script.next() % 2 == 1)
        elif operation == 6:
            items.reverse()
        else:
            items.extend(items.slice(U64(0), items.length // 2))
    items.sort()
    _show_words(items)
    return trace.content()


@struct
class _ByHighDigit:
    """Orders numbers by their high hexadecimal digit only."""

    def less(self, left: U64, right: U64) -> bool:
        return left // 16 < right // 16


def stable_sort(content: Slice[U8]) -> Slice[U8]:
    trace.begin()
    items = List[U64]()
    for byte in content:
        items.append(U64(byte))
    items.sort_by(_ByHighDigit())
    _show_numbers(items)
    return trace.content()


def map_of_numbers(content: Slice[U8]) -> Slice[U8]:
    trace.begin()
    map = Map[U64, U64]()
    script = Script(content)
    while script.more() and trace.used < 60_000:
        operation = script.next() % 8
        key = script.next() % 32
        if operation < 4:
            map[key] = script.next()
        elif operation == 4:
            trace.say(f"{key in map} {map.get(key, U64(999))}")
        elif operation == 5:
            trace.say(f"{map[key]}")
        else:
            trace.say(f"{map.pop(key)}")
    for entry_key, entry_value in map.items():
        trace.say(f"{entry_key}={entry_value}")
    for value in map.values():
        trace.say(f"{value}")
    return trace.content()


def map_of_words(content: Slice[U8]) -> Slice[U8]:
    trace.begin()
    map = Map[Text, Text]()
    script = Script(content)
    while script.more():
        operation = script.next() % 8
        key = _word(script.next())
        if operation < 5:
            map[key] = map.get(key, Text("")) + _word(script.next())
        elif operation < 7 and key in map:
            trace.say(f"{map.pop(key)}")
        elif operation == 7 and map.length > 30:
            map.clear()
        if trace.used > 30_000:
            break
    for entry in map:
        trace.say(f"{entry}")
    return trace.content()


def missing_key(key: U64) -> U64:
    map = Map[U64, U64]()
    map[U64(7)] = U64(70)
    return map[key]


def text_operations(left: Slice[U8], right: Slice[U8]) -> Slice[U8]:
    trace.begin()
    one = Text.from_bytes(left)
    other = Text.from_bytes(right)
    trace.say(f"{one == other} {one != other} {one < other} {one > other} {one <= other} {one >= other}")
    trace.say(f"{other in one} {one.hash()} {one + other}")
    trace.say(f"{one.starts_with(f'{other}')} {one.ends_with(f'{other}')} {one.lower()} [{one.strip()}]")
    found = one.find(f"{other}")
    if found is not None:
        trace.say(f"found {found}")
    if other.length > 0:
        _show_words(one.split(f"{other}"))
    words = one.words()
    _show_words(words)
    trace.say(f"{other.join(words)}")
    for point in one.code_points():
        trace.say(f"{point:x}")
    return trace.content()


def text_slice(content: Slice[U8], start: U8, stop: U8) -> Slice[U8]:
    trace.begin()
    trace.say(f"{Text.from_bytes(content).slice(U64(start), U64(stop))}")
    return trace.content()


def text_to_integer(content: Slice[U8]) -> Slice[U8]:
    trace.begin()
    trace.say(f"{Text.from_bytes(content).to_integer()}")
    return trace.content()


def buffer_and_bytes(content: Slice[U8]) -> Slice[U8]:
    trace.begin()
    buffer = ByteBuffer()
    for byte in content:
        if byte % 3 == 0:
            buffer.write(content)
        else:
            buffer.append(byte)
        if buffer.length > 5000:
            buffer.clear()
    copied = buffer.to_bytes()
    taken = buffer.take_bytes()
    trace.say(f"{copied == taken} {copied < taken} {buffer.length} {copied.hash()} {buffer.to_text().length}")
    map = Map[Bytes, U64]()
    map[copied] = copied.length
    trace.say(f"{map.get(taken, U64(0))}")
    found = copied.find(content)
    if found is not None:
        trace.say(f"found {found}")
    return trace.content()


def counter_of_pairs(content: Slice[U8]) -> Slice[U8]:
    trace.begin()
    counter = Counter()
    for i in U64.range(content.length):
        counter.add(content[i : min(i + 2, content.length)])
    trace.say(f"{counter.length}")
    for tally in counter.most_common(U64(5)):
        trace.say(f"{tally.count} {tally.text}")
    return trace.content()
