"""Tests of a group are run by one process, one after the other: what they share is set up once."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("one")
def test_a_group_is_told_to_who_distributes_the_tests(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", False):
        pytest.skip("nobody distributes the tests by groups")
    assert request.node.nodeid.endswith("@one")
