"""Tests that share something costly are run by one process: what it is shared by is set up once."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("one")
def test_a_group_is_told_to_who_distributes_the_tests(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", False):
        pytest.skip("nobody distributes the tests by groups")
    assert request.node.nodeid.endswith("@one")
