from __future__ import annotations

import logging

import pytest

from airflow_emrs_ext.core.redaction import keep_secrets_out_of_logs


@pytest.mark.parametrize(
    ("logger", "line", "is_kept"),
    [
        ("botocore.parsers", 'Response body:\nb\'{"authToken": "secret"}\'', False),
        ("botocore.parsers", 'Response body:\nb\'{"url": "https://secret"}\'', False),
        ("botocore.parsers", 'Response body:\nb\'{"state": "IDLE"}\'', True),
        ("botocore.auth", "CanonicalRequest:\nGET\n/logs\nX-Amz-Algorithm=AWS4&X-Amz-Credential=secret", False),
        ("botocore.auth", "Signature:\nsecret", False),
        ("botocore.auth", "Calculating signature using v4 auth.", True),
    ],
)
def test_what_botocore_logs(logger: str, line: str, is_kept: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keep_secrets_out_of_logs()
    logging.getLogger(logger).debug("%s", line)
    assert (line in caplog.text) == is_kept
