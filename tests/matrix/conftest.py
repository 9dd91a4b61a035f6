"""These tests need environments of their own: ``make test-mwaa`` and ``make test-clients`` name their files."""

from __future__ import annotations

collect_ignore_glob = ["test_*.py"]
