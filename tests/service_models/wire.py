"""One StartJobRun on Flex capacity as each botocore sends it, with and without asyncio: all must send the same.

``python -m tests.service_models.wire`` (part of ``make test-models``) makes an environment for each of
:data:`PAIRS`, sends the request from it to a server that only listens, and fails when two requests differ.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

PAIRS = {"1.35.36": "2.15.2", "1.42.61": "3.2.1", "1.43.117": "3.10.0", "1.44.8": "3.10.0"}
"""Versions of botocore, each with that of aiobotocore; no aiobotocore allows the last, whose bound is overridden."""

ROOT = Path(__file__).parents[2]
ANSWER = {"applicationId": "00f", "jobRunId": "00g", "arn": "arn:aws:emr-serverless:us-east-1:123456789012:/x"}
REQUEST: dict[str, Any] = {
    "applicationId": "00f1",
    "clientToken": "token",
    "executionRoleArn": "arn:aws:iam::123456789012:role/job",
    "jobDriver": {"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
    "flexExecution": {"enabled": True},
}
CREDENTIALS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}


class _Listener(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append({"path": self.path, "body": json.loads(body)})  # type: ignore[attr-defined]
        answer = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def send() -> list[dict[str, Any]]:
    """Send the request with the clients of this environment; what the server heard."""
    import botocore.session
    from aiobotocore.session import get_session

    from airflow_emrs_ext.shared.service_model import extend

    server = HTTPServer(("127.0.0.1", 0), _Listener)
    server.heard = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = {**CREDENTIALS, "endpoint_url": f"http://127.0.0.1:{server.server_port}"}

    async def asynchronously() -> None:
        async with extend(get_session(), "emr-serverless").create_client("emr-serverless", **where) as client:
            await client.start_job_run(**REQUEST)

    extend(botocore.session.get_session(), "emr-serverless").create_client("emr-serverless", **where).start_job_run(
        **REQUEST
    )
    asyncio.run(asynchronously())
    server.shutdown()
    heard: list[dict[str, Any]] = server.heard  # type: ignore[attr-defined]
    return heard


def main() -> int:
    """Make the environments, and compare what each sends."""
    seen = []
    with tempfile.TemporaryDirectory() as scratch:
        for botocore, aiobotocore in PAIRS.items():
            environment, bound = Path(scratch) / botocore, Path(scratch) / "override.txt"
            python = environment / "bin" / "python"
            bound.write_text(f"botocore=={botocore}\n")
            subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, environment], check=True)
            install = ["uv", "pip", "install", "--quiet", "--python", python, "--override", bound]
            subprocess.run([*install, f"aiobotocore=={aiobotocore}"], check=True)
            told = subprocess.run(
                [python, "-m", __spec__.name, "send"],
                check=True,
                capture_output=True,
                text=True,
                cwd=ROOT,
                env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true"},
            )
            for way, heard in zip(("sync", "async"), json.loads(told.stdout), strict=True):
                print(f"botocore {botocore:<9} {way:<6} POST {heard['path']} {json.dumps(heard['body'])}")
                seen.append(heard)
    expected = {name: value for name, value in REQUEST.items() if name != "applicationId"}
    alike = all(heard == {"path": "/applications/00f1/jobruns", "body": expected} for heard in seen)
    print(f"{len(seen)} requests, {'equal' if alike else 'DIFFERENT'}")
    return 0 if alike else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["send"]:
        print(json.dumps(send()))
    else:
        sys.exit(main())
