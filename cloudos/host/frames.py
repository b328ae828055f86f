"""Frames of the program channel.

host to guest   length (u16, little endian), payload; length 0 is the end of standard input
guest to host   stream (u8: 1 standard output, 2 standard error, 3 boot log, 4 kernel's log), length (u16, little
                endian), payload
"""

from __future__ import annotations

import struct

LARGEST_INPUT = 4096
"""Payload bytes in one frame to the guest: it may have to keep a whole frame."""

END_OF_INPUT = b"\0\0"
STREAMS = (OUTPUT, ERROR, BOOT_LOG, LOG) = (1, 2, 3, 4)
HEADER = struct.Struct("<BH")


class FrameError(Exception):
    """The guest sent something that is not a frame: a defect of the kernel."""


def encode_input(data: bytes) -> bytes:
    """Frames that carry `data` (not empty) to the program."""
    pieces = (data[start : start + LARGEST_INPUT] for start in range(0, len(data), LARGEST_INPUT))
    return b"".join(len(piece).to_bytes(2, "little") + piece for piece in pieces)


class Decoder:
    """Turns the guest's byte stream, cut anywhere, into (stream, payload) pairs."""

    def __init__(self) -> None:
        self.pending = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames completed by `data`; neighbours of the same stream are joined. Raises FrameError."""
        data = self.pending + data
        found: list[tuple[int, list[bytes]]] = []
        position = 0
        while len(data) - position >= HEADER.size:
            stream, length = HEADER.unpack_from(data, position)
            if stream not in STREAMS:
                raise FrameError(f"frame for stream {stream} at byte {position} of {len(data)}: {data[:64]!r}")
            end = position + HEADER.size + length
            if end > len(data):
                break
            if not found or found[-1][0] != stream:
                found.append((stream, []))
            found[-1][1].append(data[position + HEADER.size : end])
            position = end
        self.pending = data[position:]
        return [(stream, b"".join(parts)) for stream, parts in found]

    def incomplete(self) -> bool:
        """Whether the stream ends in the middle of a frame."""
        return bool(self.pending)
