"""How far the service's clock is ahead of the worker's, from answers that are dated in whole seconds."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from airflow_emrs_ext.core.service_clock import ServiceClock


def answer(date: str | None) -> dict[str, Any]:
    headers = {} if date is None else {"date": date}
    return {"ResponseMetadata": {"HTTPHeaders": headers}}


def told(*moments: tuple[float, float]) -> float:
    """What a clock says after answers, each dated at the first of two times, come at the second."""
    clock = ServiceClock()
    for answered, now in moments:
        clock.note(answer(formatdate(int(answered), usegmt=True)), now)
    assert clock.is_known
    return clock.ahead


@pytest.mark.parametrize(
    ("moments", "ahead"),
    [
        ([(1000.0, 1000.5)], -0.5),
        ([(1000.0, 1000.9), (1001.0, 1001.1), (1001.0, 1001.8)], -0.1),
        ([(1000.0, 1000.0), (1000.0, 1004.0)], -3.0),
        ([(1000.0, 1000.2), (4600.0, 1001.2)], 3598.8),
        ([(4600.0, 1000.2), (1001.0, 1001.2)], 0.8),
    ],
    ids=["one answer", "the least late counts", "one that took its time", "a clock put back", "a clock put forward"],
)
def test_how_far_ahead(moments: list[tuple[float, float]], ahead: float) -> None:
    assert told(*moments) == pytest.approx(ahead)


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_an_answer_without_a_date_tells_nothing(date: str | None) -> None:
    clock = ServiceClock()
    clock.note(answer(date), 1000.0)
    assert not clock.is_known
