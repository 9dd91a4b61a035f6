"""These tests need a browser: ``make test-browser`` names their files."""

from __future__ import annotations

collect_ignore_glob = ["test_*.py"]
