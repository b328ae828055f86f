"""The boot bundle: what is encoded is what a reader finds, laid out so that a kernel can map it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.abi.bundle import EntryKind
from cloudos.host import bundle
from cloudos.host.bundle import Entry, Kind

ENTRIES = st.lists(st.builds(Entry, st.sampled_from(list(Kind)), st.binary(max_size=20), st.binary(max_size=9000)))


@given(ENTRIES)
def test_round_trip(entries: list[Entry]) -> None:
    data = bundle.encode(entries)
    assert bundle.decode(data) == entries
    assert len(data) % bundle.PAGE == 0


@given(ENTRIES, st.data())
def test_damage_is_found_or_harmless(entries: list[Entry], draw: st.DataObject) -> None:
    data = bytearray(bundle.encode(entries))
    place = draw.draw(st.integers(0, bundle.HEADER.size + bundle.ENTRY.size * len(entries) - 1))
    data[place] ^= draw.draw(st.integers(1, 255))
    try:
        found = bundle.decode(bytes(data))
    except bundle.BundleError:
        return
    assert len(found) == len(entries)


def test_short_files_follow_each_other_and_others_can_be_mapped() -> None:
    texts = [Entry(Kind.FILE, b"/t%d" % number, b"%d" % number * 300) for number in range(100)]
    long = [Entry(Kind.FILE, b"/l%d" % number, bytes([number]) * 5000) for number in range(3)]
    data = bundle.encode([Entry(Kind.PROGRAM, b"init", b"ELF"), *long[:1], *texts, *long[1:]])
    # All texts, names and the table, then the program's page and two for each long file.
    assert len(data) <= 100 * (300 * 2 + 16 + 48) + 8192 + (1 + 3 * 2) * bundle.PAGE
    offsets = [bundle.ENTRY.unpack_from(data, bundle.HEADER.size + bundle.ENTRY.size * index) for index in range(104)]
    for kind, _, _, offset, length, _ in offsets:
        if kind == Kind.PROGRAM or length >= bundle.PAGE:
            assert offset % bundle.PAGE == 0


def test_contents_are_in_the_order_that_programs_expect() -> None:
    entries = bundle.contents(b"ELF", [b"prog", b"", b"b"], {b"KEY": b"a=b"}, {b"/x": b"", b"y": b"2"})
    assert [(entry.kind, entry.name, entry.data) for entry in entries] == [
        (Kind.PROGRAM, b"prog", b"ELF"),
        (Kind.ARGUMENT, b"", b"prog"),
        (Kind.ARGUMENT, b"", b""),
        (Kind.ARGUMENT, b"", b"b"),
        (Kind.ENVIRONMENT, b"KEY", b"a=b"),
        (Kind.FILE, b"/x", b""),
        (Kind.FILE, b"y", b"2"),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "less than a header"),
        (b"x" * 64, "not a bundle"),
        (bundle.encode([])[:-1], "announced"),
        (bundle.encode([])[:12] + b"\xff\0\0\0" + bundle.encode([])[16:], "announced"),
    ],
)
def test_what_is_not_a_bundle_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(bundle.BundleError, match=message):
        bundle.decode(data)


def test_equal_files_share_their_data() -> None:
    data = bytes(range(256)) * 40
    twice = [Entry(Kind.FILE, b"/a", data), Entry(Kind.PROGRAM, b"", data), Entry(Kind.FILE, b"/b", data)]
    assert bundle.decode(bundle.encode(twice)) == twice
    assert len(bundle.encode(twice)) == len(bundle.encode(twice[:1]))
    other = [twice[0], Entry(Kind.FILE, b"/b", data[:-1])]
    assert len(bundle.encode(other)) > len(bundle.encode(twice))


def test_the_kinds_are_those_of_the_binary_interface() -> None:
    assert {kind.name: int(kind) for kind in Kind} == {kind.name: int(kind) for kind in EntryKind}
