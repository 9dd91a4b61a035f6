#!/usr/bin/env bash
# aiobotocore follows redirects, botocore does not: the same 302 is an error in one and an empty success in the other.
#
# Expected: aiobotocore does what botocore does. AWS sends no redirects but S3's, which botocore handles itself; a 302
# comes from a proxy or a captive portal, and botocore raises a ClientError with code 302.
#
# What happens: aiobotocore leaves redirects to aiohttp, which follows them by default. The signed POST of StartJobRun
# becomes a GET of the sign-in page, whose HTML is then read as the answer of StartJobRun: {} with status 200. A 307
# sends the whole request, body included, to wherever it leads.
#
# Versions: boto3 1.43.117, botocore 1.43.117, aiobotocore 3.10.0, aiohttp 3.14.5; Python 3.11.
#
# Output seen:
#   302 boto3:       ClientError 302; asked: POST /applications/00a/jobruns
#   302 aiobotocore: {} 200; asked: POST /applications/00a/jobruns, GET /sign-in
#   307 boto3:       ClientError 307; asked: POST /applications/00a/jobruns
#   307 aiobotocore: {} 200; asked: POST /applications/00a/jobruns, POST /sign-in
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet boto3==1.43.117 botocore==1.43.117 aiobotocore==3.10.0 aiohttp==3.14.5
cat > "$folder/show.py" <<'PYTHON'
import asyncio
import http.server
import threading

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ClientError

PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
asked = []
status = 302


class Portal(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        asked.append(f"{self.command} {self.path}")
        self.send_response(200 if self.path == "/sign-in" else status)
        if self.path != "/sign-in":
            self.send_header("location", "/sign-in")
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    do_GET = do_POST = answer

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Portal)
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
    code = answer.pop("ResponseMetadata")["HTTPStatusCode"]
    return f"{answer} {code}"


def blocking():
    return told(Session().client("emr-serverless", config=Config(**once), **where).start_job_run(**request))


async def asynchronous():
    async with get_session().create_client("emr-serverless", config=AioConfig(**once), **where) as client:
        return told(await client.start_job_run(**request))


def outcome(call):
    asked.clear()
    try:
        said = call()
    except ClientError as error:
        said = f"ClientError {error.response['Error']['Code']}"
    return f"{said}; asked: {', '.join(asked)}"


changed = False
for status, again in ((302, "GET"), (307, "POST")):
    seen = [outcome(blocking), outcome(lambda: asyncio.run(asynchronous()))]
    print(f"{status} boto3:       {seen[0]}\n{status} aiobotocore: {seen[1]}")
    first = "POST /applications/00a/jobruns"
    changed = changed or seen != [f"ClientError {status}; asked: {first}", f"{{}} 200; asked: {first}, {again} /sign-in"]
raise SystemExit(changed)
PYTHON
env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy "$folder/venv/bin/python" "$folder/show.py"
