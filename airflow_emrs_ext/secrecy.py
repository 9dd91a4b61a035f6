"""What botocore would write to the log at level DEBUG, and nobody may read there."""

from __future__ import annotations

import logging
import re
from contextlib import suppress

# Answers with the token of a session or the address of a dashboard; what a presigned URL is signed with.
_SECRET = re.compile(
    r"authToken|\"credentials\\?\":|PresignedURL\\?\"|\{\\?\"url\\?\":|X-Amz-Credential|^Signature:|^StringToSign:"
)
_LOGGERS = ("botocore.parsers", "botocore.auth")


def keep_secrets_out_of_logs() -> None:
    """Drop such lines from now on in this process, before they can be masked."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_no_secret)


def _is_no_secret(record: logging.LogRecord) -> bool:
    with suppress(TypeError, ValueError):
        return not _SECRET.search(record.getMessage())
    return True
