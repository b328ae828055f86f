"""Device files: `null`, `zero`, `full`, and `random` where the service holds a source of random bytes."""

from __future__ import annotations

from cloudos.contracts.devices import Entropy
from cloudos.contracts.errors import BadMessage, BadOperation, NoSpace, ServiceGone
from cloudos.contracts.files import DEVICE, DIRECTORY
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.collections.text import Text
from cloudos.services.files.memory_files import Node, Volume

NULL = 1
ZERO = 2
FULL = 3
RANDOM = 4


def device_tree(volume: Volume, entropy: U64) -> Node:
    """The directory of the devices. `entropy`: a handle to `Entropy`, 0 for none."""
    root = Node(volume, U64(DIRECTORY), U64(0o555), U64(0))
    root.put(Text("null"), _device(volume, U64(NULL), U64(0o666)))
    root.put(Text("zero"), _device(volume, U64(ZERO), U64(0o666)))
    root.put(Text("full"), _device(volume, U64(FULL), U64(0o666)))
    if entropy != 0:
        root.put(Text("random"), _device(volume, U64(RANDOM), U64(0o444)))
    return root


def _device(volume: Volume, device: U64, mode: U64) -> Node:
    node = Node(volume, U64(DEVICE), mode, U64(0))
    node.device = device
    return node


def read_device(device: U64, entropy: U64, into: Slice[U8]) -> U64:
    """Read a device; how many bytes. Raises ServiceGone: the source of random bytes does not answer."""
    if device == NULL:
        return U64(0)
    if device != RANDOM:
        into.fill(U8(0))
        return into.length
    try:
        return Entropy(entropy).fill(into)
    except (BadMessage, BadOperation):
        raise ServiceGone


def write_device(device: U64, source: Slice[U8]) -> U64:
    """Write to a device; how many bytes. Raises NoSpace: it is `full`."""
    if device == FULL and source.length > 0:
        raise NoSpace
    return source.length
