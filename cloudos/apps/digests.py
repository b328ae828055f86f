"""Digests of whole streams, as text."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U64, Array, free_slice, new_slice, write_text
from cloudos.sdk import ByteBuffer, Reader, Text
from cloudos.sdk.sha256 import Sha256

CHUNK = 16384  # bytes read at a time


def digest_of(reader: Reader) -> Text:
    """The SHA-256 of all that a reader has left, in hexadecimal. Raises what the reader raises."""
    hash = Sha256()
    chunk = new_slice(U8, U64(CHUNK))
    try:
        while True:
            count = reader.read(chunk)
            if count == 0:
                break
            hash.update(chunk[0:count])
    finally:
        free_slice(chunk)
    digest = Array[U8, Literal[32]]()
    hash.finish(digest.slice())
    text = ByteBuffer()
    for byte in digest:
        write_text(text, f"{byte:02x}")
    return text.to_text()
