#!/usr/bin/env bash
# With a Spark Connect session that is active, `SparkSession.builder.getOrCreate()` fails for want of an address.
#
# Expected: after `SparkSession.builder.remote(url).create()` ordinary PySpark code finds that session, as it does with
# the classic one: `getActiveSession()` and `getOrCreate()` give the same.
#
# What happens: `getActiveSession()` and `active()` give it. `getOrCreate()` looks for an address first, in its own
# options and in the variable SPARK_REMOTE, and raises CONNECT_URL_NOT_SET before it looks whether there is a session. So
# a library that is given no session works with a session made by `getOrCreate()` of a process that has the variable, and
# not with one made by `create()`. With the variable, whatever it says, it is the active session that comes back, even
# where the address is that of another server.
#
# Versions: pyspark-client 4.1.1; Python 3.11.
#
# Output seen:
#   getActiveSession(): the session
#   active():           the session
#   getOrCreate():      PySparkRuntimeError CONNECT_URL_NOT_SET
#   with SPARK_REMOTE of another server: the session
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyspark-client==4.1.1
cat > "$folder/show.py" <<'PYTHON'
import os

from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

os.environ.pop("SPARK_REMOTE", None)
# Nobody is asked anything: a server need not be there.
spark = SparkSession.builder.remote("sc://127.0.0.1:9").create()


def found(look):
    try:
        return "the session" if look() is spark else "another session"
    except PySparkRuntimeError as error:
        return f"{type(error).__name__} {error.getCondition()}"


seen = [found(SparkSession.getActiveSession), found(SparkSession.active), found(SparkSession.builder.getOrCreate)]
print("getActiveSession():", seen[0])
print("active():          ", seen[1])
print("getOrCreate():     ", seen[2])
os.environ["SPARK_REMOTE"] = "sc://another.example:15002"
seen.append(found(SparkSession.builder.getOrCreate))
print("with SPARK_REMOTE of another server:", seen[3])
os._exit(seen != ["the session", "the session", "PySparkRuntimeError CONNECT_URL_NOT_SET", "the session"])
PYTHON
"$folder/venv/bin/python" -u "$folder/show.py"
