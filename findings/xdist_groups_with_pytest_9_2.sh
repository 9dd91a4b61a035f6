#!/usr/bin/env bash
# With pytest 9.2, pytest-xdist's --dist loadgroup distributes the tests of one group to all processes, and says nothing.
#
# Expected: `--dist loadgroup` runs tests that carry the same xdist_group mark in one process, as pytest-xdist's
# documentation says, so that a module's fixture (a server, a Spark session, an Airflow) is set up once.
#
# What happens: pytest-xdist 3.8.0 tells the group to its scheduler by writing `item._nodeid`. pytest 9.2.0 does not read
# that attribute any more. No warning, no error; the fixture is set up in every process, and whatever tests of a group must
# not do at once they do at once.
#
# Versions: pytest 9.1.1 and 9.2.0, pytest-xdist 3.8.0; Python 3.11.
#
# Output seen:
#   pytest 9.1.1: six tests of one group in 1 of 2 processes, the fixture set up 1 time(s)
#   pytest 9.2.0: six tests of one group in 2 of 2 processes, the fixture set up 2 time(s)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
cat > "$folder/test_group.py" <<'PYTHON'
import os
import pathlib
import time

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def costly():
    with (HERE / "set_up").open("a") as file:
        file.write("x")


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(6))
def test_of_the_group(costly, number):
    time.sleep(0.5)
    with (HERE / "processes").open("a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\n")
PYTHON
seen=""
for version in 9.1.1 9.2.0; do
  "$folder/venv/bin/pip" install --quiet "pytest==$version" pytest-xdist==3.8.0
  rm -f "$folder/set_up" "$folder/processes"
  (cd "$folder" && venv/bin/pytest --quiet -p no:cacheprovider --numprocesses 2 --dist loadgroup test_group.py > log) ||
    { cat "$folder/log"; exit 1; }
  processes=$(sort -u "$folder/processes" | wc -l | tr -d ' ')
  times=$(wc -c < "$folder/set_up" | tr -d ' ')
  echo "pytest $version: six tests of one group in $processes of 2 processes, the fixture set up $times time(s)"
  seen="$seen $processes/$times"
done
[ "$seen" = " 1/1 2/2" ]
