#!/usr/bin/env bash
# A botocore Loader that is made from another's search paths changes the other: clients of a session get another's models.
#
# Expected: Loader(other.search_paths) is a loader of its own, which looks where the other does; a folder that is added
# to it is its own affair.
#
# What happens: it keeps the list that it was given. A folder that is appended to the second (or that the defaults add to
# it) is searched by the first as well, so the session whose loader was the model for a private one sees the private
# one's extras: here an operation that its own botocore does not have.
#
# Versions: botocore 1.43.117; Python 3.11.
#
# Output seen:
#   a session:                          GetNothing is no operation of its client
#   one whose paths another loader has: GetNothing is an operation of its client
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet botocore==1.43.117
mkdir -p "$folder/extras/emr-serverless/2021-07-13"
cat > "$folder/extras/emr-serverless/2021-07-13/service-2.sdk-extras.json" <<'JSON'
{"version": 1.0, "merge": {"operations": {"GetNothing": {
  "name": "GetNothing", "http": {"method": "GET", "requestUri": "/nothing"}}}}}
JSON
cat > "$folder/show.py" <<'PYTHON'
import sys

from botocore.loaders import Loader
from botocore.session import Session


def knows(session):
    client = session.create_client("emr-serverless", region_name="us-east-1")
    return "GetNothing" in client.meta.service_model.operation_names


def said(known):
    return f"GetNothing is {'an' if known else 'no'} operation of its client"


def made(session):
    """A loader that looks where a session's does, and in one more folder."""
    own = Loader(session.get_component("data_loader").search_paths, include_default_search_paths=False)
    own.search_paths.append(sys.argv[1])
    return own


first, second = Session(), Session()
before = knows(first)
made(second)
after = knows(second)
print(f"a session:                          {said(before)}\none whose paths another loader has: {said(after)}")
raise SystemExit((before, after) != (False, True))
PYTHON
"$folder/venv/bin/python" "$folder/show.py" "$folder/extras"
