"""The containers that programs use, one file each."""

from __future__ import annotations

from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.bytes import Bytes
from cloudos.sdk.collections.counter import Counter, Tally
from cloudos.sdk.collections.hashable import Hashable, Ordered
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.map import Map
from cloudos.sdk.collections.sorting import Comparator
from cloudos.sdk.collections.text import Text

__all__ = ["ByteBuffer", "Bytes", "Comparator", "Counter", "Hashable", "List", "Map", "Ordered", "Tally", "Text"]
