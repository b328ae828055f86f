"""`Text`, `Bytes` and `ByteBuffer` against CPython's str, bytes and bytearray."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloudos.lang import U8, U64, Panic, data
from cloudos.sdk import ByteBuffer, Bytes, InvalidNumber, List, Text

texts = st.text("abAB, \t\né€😀", max_size=12)
separators = st.text("ab, é", min_size=1, max_size=2)
quick = settings(max_examples=100, deadline=None)


def raw(content: bytes) -> Text:
    return Text.from_bytes(data(content))


def strings(items: List[Text]) -> list[str]:
    return [str(item) for item in items]


@quick
@given(texts, texts)
def test_length_comparison_hash_and_concatenation(left: str, right: str) -> None:
    one, other = Text(left), Text(right)
    assert int(one.length) == len(left.encode())
    assert (one == other) == (left == right)
    assert (one < other) == (left.encode() < right.encode())
    assert (one > other, one <= other, one >= other) == (left > right, left <= right, left >= right)
    assert one.hash() == Text(left).hash()
    assert str(one + other) == left + right
    assert (other in one) == (right in left)
    assert one.equals(left)
    assert f"[{one}|{other}]" == f"[{left}|{right}]"


@quick
@given(texts, separators)
def test_find_starts_ends_and_split(text: str, part: str) -> None:
    it = Text(text)
    position = text.encode().find(part.encode())
    found = it.find(part)
    assert (int(found) if found is not None else -1) == position
    assert it.starts_with(part) == text.startswith(part)
    assert it.ends_with(part) == text.endswith(part)
    assert strings(it.split(part)) == text.split(part)


@quick
@given(texts)
def test_words_strip_and_lower(text: str) -> None:
    it = Text(text)
    ascii_lower = bytes(byte | 0x20 if 0x41 <= byte <= 0x5A else byte for byte in text.encode())
    assert strings(it.words()) == text.split()
    assert str(it.strip()) == text.strip()
    assert bytes(it.lower().content) == ascii_lower


@quick
@given(texts, st.lists(texts, max_size=6))
def test_join(separator: str, parts: list[str]) -> None:
    items = List[Text]()
    for part in parts:
        items.append(Text(part))
    assert str(Text(separator).join(items)) == separator.join(parts)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=12) | st.text(max_size=6).map(str.encode))
@example(b"\xf0\x90\x28\xbc")
@example(b"\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\xe2\x82")
def test_code_points_replace_what_is_not_utf8_as_python_does(content: bytes) -> None:
    points = "".join(chr(int(point)) for point in raw(content).code_points())
    assert points == content.decode(errors="replace")


@quick
@given(
    st.integers(-(2**65), 2**65).map(str)
    | st.integers(-(2**63), 2**63).map(str)
    | st.text("+-0123456789 x", max_size=6)
)
@example("-9223372036854775808")
@example("9223372036854775807")
@example("9223372036854775808")
@example("-9223372036854775809")
@example("18446744073709551616")
@example("+")
@example("")
def test_to_integer(text: str) -> None:
    try:
        expected = int(text)
        if text != text.strip() or not -(2**63) <= expected < 2**63:
            raise ValueError
    except ValueError:
        with pytest.raises(InvalidNumber):
            Text(text).to_integer()
        return
    assert int(Text(text).to_integer()) == expected


@quick
@given(st.binary(max_size=20), st.integers(0, 22), st.integers(0, 22))
def test_slices(content: bytes, start: int, stop: int) -> None:
    if start <= stop <= len(content):
        assert bytes(raw(content).slice(U64(start), U64(stop)).content) == content[start:stop]
        assert bytes(Bytes(data(content)).slice(U64(start), U64(stop)).content) == content[start:stop]
    else:
        with pytest.raises(Panic):
            raw(content).slice(U64(start), U64(stop))


@quick
@given(st.binary(max_size=12))
def test_any_bytes_pass_through_formatting(content: bytes) -> None:
    it = raw(content)
    assert bytes(Text(f"<{it}>").content) == b"<" + content + b">"


@quick
@given(st.binary(max_size=10), st.binary(max_size=3), st.binary(max_size=10))
def test_bytes(left: bytes, part: bytes, right: bytes) -> None:
    one, other = Bytes(data(left)), Bytes(data(right))
    assert (one == other) == (left == right)
    assert (one < other) == (left < right)
    assert (one > other, one <= other, one >= other) == (left > right, left <= right, left >= right)
    assert [int(byte) for byte in one] == list(left)
    found = one.find(data(part))
    assert (int(found) if found is not None else -1) == left.find(part)


@quick
@given(st.lists(st.integers(0, 255) | st.binary(max_size=80), max_size=12))
def test_a_buffer_collects_bytes(pieces: list[int | bytes]) -> None:
    buffer = ByteBuffer()
    model = bytearray()
    for piece in pieces:
        if isinstance(piece, int):
            buffer.append(U8(piece))
            model.append(piece)
        else:
            buffer.write(data(piece))
            model += piece
        assert bytes(buffer.content()) == model
    assert [int(byte) for byte in buffer] == list(model)
    assert bytes(buffer.to_text().content) == bytes(buffer.to_bytes().content) == model
    assert bytes(buffer.take_bytes().content) == model
    assert int(buffer.length) == 0


@quick
@given(st.binary(min_size=1, max_size=40), st.integers(1, 4))
def test_a_buffer_can_be_written_to_itself(content: bytes, times: int) -> None:
    buffer = ByteBuffer()
    buffer.write(data(content))
    for _ in range(times):
        buffer.write(buffer.content())
    assert bytes(buffer.content()) == content * 2**times
