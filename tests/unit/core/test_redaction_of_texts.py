"""What a person may read, of what a secret has been planted in: it is never there, wherever it was."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_emrs_ext.core.redaction import HIDDEN, hidden, hidden_in

# Something that no innocent text has in it, with characters that shells, URLs and JSON treat in their own way.
SECRETS = st.text("aZ9!#$%&*+,-./:;=?@^_~|<>()[]{} \"'\\`", min_size=1, max_size=20).map(lambda text: f"hush{text}hush")
PREFIXES = st.sampled_from(["", "spark.", "spark.hadoop.fs.s3a.", "my_", "MY-", "db."])
NAMES = st.sampled_from(
    [
        *("password", "PASSWD", "passphrase", "pwd", "secret", "secretKey", "secret.key", "token", "authToken"),
        *("api_key", "apiKey", "access.key", "accessKey", "private-key", "credentials", "credential.provider"),
    ]
)
OTHERS = st.sampled_from(["", "--conf spark.executor.cores=2 ", "INFO Connecting: ", "spark-submit --class a.B "])


def plainly(secret: str) -> str:
    return secret.translate(str.maketrans("", "", " \"'\\`"))


@settings(deadline=None)
@given(SECRETS, PREFIXES, NAMES, OTHERS)
@example("hush&x=1hush", "", "password", "")
@example("hush yhush", "spark.", "token", "")
def test_command_lines(secret: str, prefix: str, name: str, other: str) -> None:
    named = f"{prefix}{name}"
    for text in (
        f"{named}={shlex.quote(secret)}",
        # What a shell makes of a single quote within such a word is not followed.
        "--conf " + shlex.quote(f"{named}={secret}".replace("'", "")),
        f"--{named} {shlex.quote(secret)}",
        f"--{named}={shlex.quote(secret)}",
        f"-{named} \\\n  {shlex.quote(secret)}",
        f"{named} = {json.dumps(secret)}",
    ):
        shown = hidden_in(f"{other}{text} --verbose")
        assert "hush" not in shown, text
        assert shown.startswith(other)


@settings(deadline=None)
@given(SECRETS, PREFIXES, NAMES)
def test_structures(secret: str, prefix: str, name: str) -> None:
    named = f"{prefix}{name}"
    structure: dict[str, Any] = {
        "properties": {named: secret, "spark.mine": "shown"},
        "arguments": ["in", f"--{named}", secret, "out", f"--{named}={secret}"],
        "nested": [{named: {"a": [secret]}}],
        "json": json.dumps({"spark.mine": "shown", named: secret}),
    }
    for shown in (
        hidden(structure),
        hidden_in(json.dumps(structure)),
        hidden_in(f"Given: {json.dumps(structure)}"),
    ):
        assert "hush" not in json.dumps(shown)
    arguments = hidden(structure)["arguments"]
    assert (arguments[0], arguments[2], arguments[3]) == ("in", HIDDEN, "out")
    assert hidden(structure)["properties"]["spark.mine"] == "shown"


@settings(deadline=None)
@given(SECRETS, st.sampled_from(["jdbc:postgresql", "https", "mongodb+srv", "redis"]))
def test_addresses(secret: str, scheme: str) -> None:
    for password in (quote(secret, safe=""), plainly(secret).replace("/", "").replace("?", "").replace("#", "")):
        shown = hidden_in(f"reading {scheme}://me:{password}@host:5432/table?x=1 now")
        assert "hush" not in shown
        assert "me:" not in shown
        assert shown.endswith("@host:5432/table?x=1 now")
    assert "hush" not in hidden_in(f"{scheme}://host/a?x=1&password={quote(secret, safe='')}&y=2")
    assert "hush" not in hidden_in(f"jdbc:oracle:thin:me/{plainly(secret).replace('/', '')}@//host:1521/x")


@settings(deadline=None)
@given(SECRETS)
def test_logs(secret: str) -> None:
    for line in (
        f"The password: {plainly(secret)}",
        f"Authorization: Bearer {secret}",
        f"using bearer {quote(secret)}xyz",
    ):
        assert "hush" not in hidden_in(f"INFO one\n{line}\nINFO two")
        assert hidden_in(f"INFO one\n{line}\nINFO two").splitlines()[::2] == ["INFO one", "INFO two"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "--conf spark.executor.memory=4g --class a.B s3://bucket/job.py",
        "INFO DelegationTokenManager: Renewing the next one",
        "org.apache.spark.sql.catalyst.parser.ParseException: unexpected token: 'foo' at line 1",
        "hdfs://namenode:8020/user/me and me@example.com",
        'ValueError: <boom>\n\n  File "/tmp/job.py", line 5\n',
        "[stdout] not JSON",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert hidden_in(text) == text


def test_values_without_a_secret_keep_their_types() -> None:
    value = {"a": 1, "b": None, "c": [True, 1.5], "usesPassword": True, "token": None, "secret": ""}
    assert hidden(value) == value


@pytest.mark.airflow
def test_names_of_airflows_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_emrs_ext.core import redaction

    monkeypatch.setenv("AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES", "passcode, Losung")
    redaction._patterns.cache_clear()
    try:
        assert hidden({"losung": "hush", "parole": "shown"}) == {"losung": HIDDEN, "parole": "shown"}
        assert hidden_in("my.passcode=hush --LOSUNG hush") == f"my.passcode={HIDDEN} --LOSUNG {HIDDEN}"
    finally:
        redaction._patterns.cache_clear()


@pytest.mark.parametrize("line", ["password", "'password", "pass", "://a:", "--token", '\\"', "key=", "token=\\"])
def test_long_lines_take_no_longer_for_being_odd(line: str) -> None:
    def seconds(text: str) -> float:
        began = time.process_time()
        hidden_in(text)
        return time.process_time() - began

    size = 20_000 // len(line)
    assert seconds(line * size * 4) < 12 * seconds(line * size) + 0.2
