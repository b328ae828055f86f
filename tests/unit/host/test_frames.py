"""The frames of the program channel survive being cut anywhere."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.host import frames


def guest_frame(stream: int, payload: bytes) -> bytes:
    return bytes([stream]) + len(payload).to_bytes(2, "little") + payload


def read_input(data: bytes) -> tuple[bytes, bool]:
    """What a guest makes of input frames: the payload, and whether the end of file came (it must be last)."""
    payload, position = b"", 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 2], "little")
        position += 2
        if length == 0:
            assert position == len(data)
            return payload, True
        assert length <= frames.LARGEST_INPUT
        payload += data[position : position + length]
        position += length
    assert position == len(data)
    return payload, False


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300))), st.lists(st.integers(0, 10_000)))
def test_output_is_byte_exact_however_it_is_cut(sent: list[tuple[int, bytes]], places: list[int]) -> None:
    stream = b"".join(guest_frame(number, payload) for number, payload in sent)
    decoder = frames.Decoder()
    received = [frame for piece in cut(stream, places) for frame in decoder.feed(piece)]
    for number in (1, 2):
        expected = b"".join(payload for target, payload in sent if target == number)
        assert b"".join(payload for target, payload in received if target == number) == expected
    assert b"".join(payload for _, payload in received) == b"".join(payload for _, payload in sent)
    assert not decoder.incomplete()


def test_the_largest_frame_and_an_unfinished_one() -> None:
    decoder = frames.Decoder()
    whole = guest_frame(2, b"x" * 65535)
    assert decoder.feed(whole[:-1]) == []
    assert decoder.incomplete()
    assert decoder.feed(whole[-1:]) == [(2, b"x" * 65535)]


@pytest.mark.parametrize("stream", [0, 5, 255])
def test_an_unknown_stream_is_an_error(stream: int) -> None:
    with pytest.raises(frames.FrameError, match=f"stream {stream}"):
        frames.Decoder().feed(guest_frame(1, b"fine") + guest_frame(stream, b"x"))


@given(st.binary(min_size=1, max_size=20_000))
def test_input_arrives_whole(data: bytes) -> None:
    assert read_input(frames.encode_input(data) + frames.END_OF_INPUT) == (data, True)
    assert read_input(frames.encode_input(data)) == (data, False)
