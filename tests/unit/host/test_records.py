"""The kernel's log: messages, records, and lines that come in pieces."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cloudos.host.records import Log, parse

LOG = b"""[0.000001] frames: 1000 free
@panic site=0x20010007 left=3 is not right
@frame ip=0x400100
@frame ip=0x400200
@fault number=6 kind=panic ip=0x400010 sp=0x7fff0000
@frame ip=0x400300
[0.5] done
@off
"""


@given(st.lists(st.integers(0, len(LOG))))
def test_a_log_in_pieces_reads_like_a_log_in_one(places: list[int]) -> None:
    edges = [0, *sorted(places), len(LOG)]
    log, messages = Log(), []
    for start, stop in itertools.pairwise(edges):
        messages += log.feed(LOG[start:stop])
    assert messages == log.lines == ["[0.000001] frames: 1000 free", "[0.5] done"]
    assert log.panic is not None and log.fault is not None
    assert log.panic.frames == [0x400100, 0x400200]
    assert log.fault.frames == [0x400300]
    assert log.off and log.status is None


def test_a_panic_message_may_look_like_fields() -> None:
    record = parse("@panic site=0x20010007 message=left=3 is not right")
    assert (record.number("site"), record.text) == (0x20010007, "left=3 is not right")
    assert parse("@panic site=0x1 site=0x2 twice").text == "site=0x2 twice"


def test_damaged_records_do_no_harm() -> None:
    log = Log()
    log.feed(b"@\n@exit\n@exit status=seven\n@fault\n@frame ip=\n@frame\n@unknown x\n\xff\xfe\n" + b"@frame ip=0x1\r\n")
    assert log.status is None
    assert log.fault is not None and log.fault.frames == [1]
    assert log.fault.record.number("number") is None


def test_the_first_of_several_faults_counts() -> None:
    log = Log()
    log.feed(b"@fault number=11 ip=0x1\n@frame ip=0x2\n@fault number=4 ip=0x3\n@frame ip=0x4\n@exit status=3\n")
    assert log.fault is not None and log.fault.record.number("number") == 11
    assert log.fault.frames == [2]
    assert log.status == 3


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    log = Log()
    for _ in range(40):
        log.feed(b"x" * 4096)
    assert len(log.pending) <= 64 * 1024


def test_after_a_restart_only_what_comes_later_counts() -> None:
    log = Log()
    log.feed(b"@ready\n@fault number=11 ip=0x1\n@exit status=3\n@restart\n@ready\n@exit status=4\n@off\n")
    assert (log.restarts, log.status, log.fault, log.lost) == (1, 4, None, False)


def test_a_second_start_that_was_not_announced_is_a_crash() -> None:
    log = Log()
    log.feed(b"@ready\n")
    assert not log.lost
    log.feed(b"@ready\n")
    assert log.lost
