"""Options become text that a shell splits into exactly their values, whatever these are."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_emrs_ext.core.command_options import command_line
from airflow_emrs_ext.exceptions import ConfigurationError

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
NAMES = TEXTS.filter(lambda name: bool(name) and "=" not in name and not any(map(str.isspace, name)))
ITEMS = TEXTS.filter(lambda item: item and "," not in item)


@given(conf=st.dictionaries(NAMES, TEXTS), jars=st.lists(ITEMS), main=TEXTS.filter(bool), as_pairs=st.booleans())
def test_splitting_gives_exactly_the_values(conf: dict[str, str], jars: list[str], main: str, as_pairs: bool) -> None:
    pairs: Any = [list(pair) for pair in conf.items()] if as_pairs else conf
    text = command_line({"--class": main, "--jars": jars, "--conf": pairs}, "options")
    assert shlex.split(text) == [
        *("--class", main),
        *(("--jars", ",".join(jars)) if jars else ()),
        *(word for name, value in conf.items() for word in ("--conf", f"{name}={value}")),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, []),
        ({"--class": None, "--verbose": True, "--supervise": False}, ["--verbose"]),
        ({"--conf": {"a": 1, "b": True, "c": 0.5, "d": None, "e": ""}}, ["a=1", "b=true", "c=0.5", "e="]),
        ({"--conf": "{'a': 1}"}, ["a=1"]),
        ({"--jars": "s3://b/a.jar,s3://b/b.jar"}, ["--jars", "s3://b/a.jar,s3://b/b.jar"]),
        ({"--hivevar": [["day", "1 May"]]}, ["day=1 May"]),
        ({"--jars": "['s3://b/a.jar', 's3://b/b.jar']"}, ["--jars", "s3://b/a.jar,s3://b/b.jar"]),
        ({"--name": "[nightly]"}, ["--name", "[nightly]"]),
    ],
)
def test_values_of_each_type(options: Any, words: list[str]) -> None:
    assert [
        word for word in shlex.split(command_line(options, "options")) if word not in ("--conf", "--hivevar")
    ] == words


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--conf a=b", "`options` is '--conf a=b'; it takes options"),
        ({"conf": {"a": "b"}}, "'conf' is no option"),
        ({"--conf": "a=b"}, "`options.--conf` is 'a=b'; it takes a mapping"),
        ({"--conf": ["a=b"]}, "it takes a mapping of names to values"),
        ({"--conf": {"": "b"}}, "'' cannot be a name"),
        ({"--conf": {"a=b": "c"}}, "'a=b' cannot be a name"),
        ({"--conf": {"a": {"b": "c"}}}, r"`options.--conf.a` is \{'b': 'c'\}, of type dict"),
        ({"--jars": ["a", None]}, r"`options.--jars\[1\]` is None: .* gave nothing"),
        ({"--jars": ["a,b"]}, "an entry is one value"),
        ({"--jars": "[a.jar"}, "an entry is one value|it takes"),
        ({"--class": True}, "`options.--class` is True, of type bool; it takes a value"),
        ({"--conf": [["a", 1], ["a", 2]]}, "'a' is there twice"),
        ({"--conf": {"fs.s3a.secret.key": b"hunter2"}}, r"secret\.key` is '\*\*\*', of type bytes"),
        ({"--conf": {"my.password": ["hunter2"]}}, r"my\.password` is '\*\*\*'"),
    ],
)
def test_what_cannot_be_said_is_refused(options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        command_line(options, "options")
    assert "hunter2" not in str(caught.value)
