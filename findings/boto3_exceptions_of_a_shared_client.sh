#!/usr/bin/env bash
# `except client.exceptions.X` misses X when threads share a new boto3 client.
#
# Expected: clients of boto3 may be shared between threads, so an error that the service calls
# ResourceAlreadyExistsException is caught by `except client.exceptions.ResourceAlreadyExistsException` in each of them.
#
# What happens: a client makes its exception classes when they are asked for first, without a lock. Threads that meet
# their first error at the same time each make the classes; the client keeps those of the last, and an error that was
# raised with those of another passes the `except` by. The same loop with `client.exceptions` touched once before the
# threads start misses none. (A `ClientError` whose code is compared is caught in both.)
#
# Versions: boto3 1.43.117, botocore 1.43.117; Python 3.11.
#
# Output seen (how many clients it takes is chance: of 30 clients, with 240 errors, two or three errors passed by):
#   as made                an error that is not caught
#   touched before         no such error in 60 clients
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet boto3==1.43.117 botocore==1.43.117
cat > "$folder/show.py" <<'PYTHON'
import http.server
import sys
import threading

from boto3.session import Session
from botocore.config import Config

THREADS = 8
# As often as in a busy process, in a short time.
sys.setswitchinterval(1e-6)
BODY = b'{"__type": "ResourceAlreadyExistsException", "message": "The specified log group already exists"}'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(400)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *arguments):
        pass


def misses(url, clients, touch):
    """Whether an error passes its `except` by before so many clients have been tried."""
    missed = []
    for _ in range(clients):
        client = Session("key", "secret", region_name="us-east-1").client(
            "logs", endpoint_url=url, config=Config(retries={"max_attempts": 0}, max_pool_connections=THREADS)
        )
        if touch:
            client.exceptions
        together = threading.Barrier(THREADS)

        def work():
            together.wait()
            try:
                client.create_log_group(logGroupName="/jobs")
            except client.exceptions.ResourceAlreadyExistsException:
                pass
            except Exception as error:
                assert type(error).__name__ == "ResourceAlreadyExistsException", error
                missed.append(1)

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if missed:
            return True
    return False


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
as_made, touched = misses(url, 200, touch=False), misses(url, 60, touch=True)
print("as made               ", "an error that is not caught" if as_made else "no such error in 200 clients")
print("touched before        ", "an error that is not caught" if touched else "no such error in 60 clients")
sys.exit(0 if as_made and not touched else 1)
PYTHON
"$folder/venv/bin/python" "$folder/show.py"
