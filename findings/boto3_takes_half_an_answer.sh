#!/usr/bin/env bash
# boto3 takes half an answer, a sign-in page and "103 Early Hints" for an empty success.
#
# Expected: an answer that is cut, that is no JSON, or that is not the final one is an error, so that whoever has called
# StartJobRun knows that there is no jobRunId to go on with.
#
# What happens: botocore's parser of REST JSON takes a body that is no JSON for the text of a message, finds none of the
# operation's members in it, and returns {} with status 200. A body that is shorter than its Content-Length is no error
# either: with the whole JSON in it, it is a success; with half of it, an empty one. An informational answer (103 Early
# Hints) is taken for the final one, without its body: {} with status 103. aiobotocore differs in two of these: it
# skips 103, and takes a body that is too short for a broken connection.
#
# Versions: boto3 1.43.117, botocore 1.43.117, aiobotocore 3.10.0, aiohttp 3.14.5, urllib3 2.8.0; Python 3.11.
#
# Output seen:
#   a sign-in page, 200      boto3: {} 200                                       aiobotocore: {} 200
#   half of the JSON, 200    boto3: {} 200                                       aiobotocore: {} 200
#   half, with its length    boto3: {} 200                                       aiobotocore: ConnectionClosedError
#   103 before the answer    boto3: {} 103                                       aiobotocore: {'applicationId': '00a', 'jobRunId': '00j'} 200
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet boto3==1.43.117 botocore==1.43.117 aiobotocore==3.10.0 aiohttp==3.14.5 urllib3==2.8.0
cat > "$folder/show.py" <<'PYTHON'
import asyncio
import http.server
import threading

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from boto3.session import Session
from botocore.config import Config

WHOLE = b'{"applicationId": "00a", "jobRunId": "00j"}'
PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"


def head(length, kind="application/json"):
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (
        kind.encode(),
        length,
    )


ANSWERS = {
    "a sign-in page, 200": head(len(PAGE), "text/html") + PAGE,
    "half of the JSON, 200": head(len(WHOLE) // 2) + WHOLE[: len(WHOLE) // 2],
    "half, with its length": head(len(WHOLE)) + WHOLE[: len(WHOLE) // 2],
    "103 before the answer": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + head(len(WHOLE)) + WHOLE,
}
EXPECTED = {
    "a sign-in page, 200": ("{} 200", "{} 200"),
    "half of the JSON, 200": ("{} 200", "{} 200"),
    "half, with its length": ("{} 200", "ConnectionClosedError"),
    "103 before the answer": ("{} 103", "{'applicationId': '00a', 'jobRunId': '00j'} 200"),
}
now = ""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.wfile.write(ANSWERS[now])
        self.close_connection = True

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.handle_error = lambda *arguments: None
threading.Thread(target=server.serve_forever, daemon=True).start()
where = {
    "region_name": "us-east-1",
    "endpoint_url": f"http://127.0.0.1:{server.server_port}",
    "aws_access_key_id": "a",
    "aws_secret_access_key": "b",
}
once = {"retries": {"total_max_attempts": 1}}
request = {"applicationId": "00a", "executionRoleArn": "arn:aws:iam::123456789012:role/r", "clientToken": "t"}


def told(answer):
    status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
    return f"{answer} {status}"


def blocking():
    return told(Session().client("emr-serverless", config=Config(**once), **where).start_job_run(**request))


async def asynchronous():
    async with get_session().create_client("emr-serverless", config=AioConfig(**once), **where) as client:
        return told(await client.start_job_run(**request))


def outcome(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__


changed = False
for now, expected in EXPECTED.items():
    seen = (outcome(blocking), outcome(lambda: asyncio.run(asynchronous())))
    print(f"{now:24} boto3: {seen[0]:45} aiobotocore: {seen[1]}")
    changed = changed or seen != expected
raise SystemExit(changed)
PYTHON
env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy "$folder/venv/bin/python" "$folder/show.py"
