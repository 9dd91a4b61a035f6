#!/usr/bin/env bash
# The Date of an answer of uvicorn is that of the second before, or of the one before that.
#
# Expected: Date is when the answer was made (RFC 9110), in whole seconds: the second in which a client gets it, on the
# same machine. Clients of AWS take it for the service's clock: botocore corrects its own by it.
#
# What happens: uvicorn formats the date once a second and sends it until the next time, and that is not when a second
# begins. Answers have dates that are more than a second old, a server that is busy much older ones. With
# `date_header=False` and a header of the application's own they have the right one.
#
# Versions: uvicorn 0.54.0, h11 0.16.0; Python 3.11.
#
# Output seen:
#   uvicorn's own date: answers from a second that is over
#   the application's date: none
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/show.py" <<'PYTHON'
import threading
import time
import urllib.request
from email.utils import formatdate, parsedate_to_datetime

import uvicorn


async def plain(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def dated(scope, receive, send):
    date = formatdate(usegmt=True).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"date", date)]})
    await send({"type": "http.response.body", "body": b""})


def late(application, **options):
    """How many of 150 answers, in six seconds, have the date of a second that was over when they were asked for."""
    config = uvicorn.Config(application, port=0, http="h11", lifespan="off", log_config=None, **options)
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    count = 0
    for _ in range(150):
        asked = int(time.time())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            count += parsedate_to_datetime(answer.headers["date"]).timestamp() < asked
        time.sleep(0.04)
    server.should_exit = True
    return "answers from a second that is over" if count else "none"


print("uvicorn's own date:", late(plain))
print("the application's date:", late(dated, date_header=False))
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet uvicorn==0.54.0 h11==0.16.0 2> "$folder/pip" || { cat "$folder/pip"; exit 1; }
"$folder/venv/bin/python" "$folder/show.py" | tee "$folder/seen"
sed -n "s/^#   \(uvicorn's\|the application's\)/\1/p" "$0" | diff - "$folder/seen"
