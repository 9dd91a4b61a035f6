"""The end of a packed log."""

from __future__ import annotations

import gzip
import random

import pytest

from airflow_emrs_ext.workflows.driver_logs.inflating import GzipTail

LINES = b"".join(b"%d %d\n" % (number, random.Random(number).getrandbits(60)) for number in range(20_000))


def fed(packed: bytes, piece: int = 1000, **limits: int) -> GzipTail:
    tail = GzipTail(**limits)
    for start in range(0, len(packed), piece):
        if not tail.feed(packed[start : start + piece]):
            break
    return tail


@pytest.mark.parametrize("piece", [1, 1000, 1 << 30])
def test_a_log_is_whole_however_it_arrives(piece: int) -> None:
    text = LINES[:50_000]
    tail = fed(gzip.compress(text), piece)
    assert (tail.end, tail.size, tail.omitted) == (text, len(text), 0)


def test_only_the_end_is_kept() -> None:
    tail = fed(gzip.compress(LINES), keep=5000)
    assert tail.end == LINES[-5000:]
    assert tail.omitted == len(LINES) - 5000


def test_what_was_seen_is_skipped() -> None:
    tail = fed(gzip.compress(LINES), skip=len(LINES) - 77)
    assert (tail.end, tail.size, tail.omitted) == (LINES[-77:], len(LINES), 0)
    assert fed(gzip.compress(LINES), skip=len(LINES)).end == b""


def test_what_was_packed_in_parts_is_one_log() -> None:
    assert fed(gzip.compress(b"one\n") + gzip.compress(b"two\n"), 7).end == b"one\ntwo\n"


@pytest.mark.parametrize("piece", [1, 1000, 1 << 30])
def test_what_was_packed_once_more_on_the_way_is_unpacked(piece: int) -> None:
    tail = fed(gzip.compress(gzip.compress(LINES)), piece, skip=100, keep=5000)
    assert tail.end == LINES[-5000:]
    assert (tail.size, tail.omitted) == (len(LINES), len(LINES) - 5100)


def test_what_is_packed_without_an_end_is_not_unpacked_for_ever() -> None:
    thrice = gzip.compress(gzip.compress(gzip.compress(b"one\n")))
    assert gzip.decompress(fed(thrice).end) == b"one\n"


def test_a_shorter_log_is_told_by_its_size() -> None:
    tail = fed(gzip.compress(b"new\n"), skip=1000)
    assert (tail.end, tail.size) == (b"", 4)


def test_what_is_broken_ends_there() -> None:
    packed = gzip.compress(LINES)[:10_000]
    assert fed(packed + b"broken" * 3).end.startswith(fed(packed).end[:1000])


@pytest.mark.parametrize("piece", [1, 1000])
def test_what_is_not_packed_is_taken_as_it_is(piece: int) -> None:
    assert fed(LINES[:5000], piece, skip=10).end == LINES[10:5000]
