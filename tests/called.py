"""Which operations the client of a test has called of the endpoint, and how each was answered."""

from __future__ import annotations

import json

from airflow_emrs_ext.local.testing import LocalEmr

_CLIENT = "client"


def as_client(emr: LocalEmr) -> dict[str, str]:
    """The environment of a client: it signs with a key of its own, and what the test itself calls is told from it."""
    return {**emr.environ, "AWS_ACCESS_KEY_ID": _CLIENT}


def operations_called(emr: LocalEmr) -> str:
    """As JSON: by ``service:Operation`` the error codes of the client's calls, ``null`` for what was answered."""
    called: dict[str, dict[str | None, None]] = {}
    for call in emr.calls():
        if call["accessKeyId"] == _CLIENT and call["operation"] and call["status"]:
            called.setdefault(f"{call['service']}:{call['operation']}", {})[call["error"]] = None
    return json.dumps({operation: list(answers) for operation, answers in called.items()})
