"""Files on S3 under a name that their content gives: the same content is there once, and nothing is overwritten."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Call, Effects, RunContext
from airflow_emrs_ext.exceptions import AccessDenied


def key_of(prefix: str, name: str, data: bytes) -> str:
    """The key of a file: its name, in a folder that its content gives.

    :param prefix: of the keys, with or without a slash at its end
    """
    parts = (prefix.strip("/"), hashlib.sha256(data).hexdigest()[:32], name)
    return "/".join(part for part in parts if part)


def put_once(ctx: RunContext, *, bucket: str, key: str, data: bytes) -> Effects[bool]:
    """Put a file on S3 unless it is there (ListObjectsV2, PutObject).

    Whoever may not list the bucket puts it there again, which changes nothing.

    :return: whether it has been put there
    """
    if (yield from _size(ctx, bucket, key)) == len(data):
        return False
    yield from patiently(Call("put_object", {"Bucket": bucket, "Key": key, "Body": data}, service="s3"), ctx)
    return True


def _size(ctx: RunContext, bucket: str, key: str) -> Effects[int | None]:
    def read(response: dict[str, Any]) -> int | None:
        return next((one["Size"] for one in response.get("Contents", []) if one["Key"] == key), None)

    # Not to be allowed to list is no reason to wait.
    at_once = replace(ctx, wait_policy=replace(ctx.wait_policy, access_patience=0.0))
    try:
        call = Call("list_objects_v2", {"Bucket": bucket, "Prefix": key, "MaxKeys": 1}, service="s3")
        return (yield from patiently(call, at_once, read))
    except AccessDenied:
        return None
