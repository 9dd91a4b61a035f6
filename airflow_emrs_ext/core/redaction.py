"""What nobody may read: in a log, or on a page."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from airflow_emrs_ext._compat import conf

HIDDEN = "***"
"""What is shown instead of a secret."""

# What a name says whose value is not for everybody who may read a log.
_WORDS = (
    r"pass(?:word|wd|phrase)|(?<![a-z])(?:pass|pwd)(?![a-z])|secret|token|credential|signature|authorization|bearer"
    r"|(?:api|access|private|account)[-_.]?key|keyfile|service_account"
)
# What each of them has in it: to look for these is much faster.
_SIGNS = (
    "pass",
    "pwd",
    "secret",
    "token",
    "credential",
    "signature",
    "authorization",
    "bearer",
    "key",
    "service_account",
)
# A value as a shell, JSON or Python may write it, to the end of its line at most; a quote that is not closed included.
# What may be repeated has a limit wherever a long line would take long otherwise.
_VALUE = (
    r"""(?:(?P<escape>\\{1,8})(?P<quote>["'])(?:(?!(?<!\\)(?P=escape)(?P=quote)).)*|[{\[].*"""
    r"""|(?:"(?:\\.|[^"\\\n])*(?:"|$)|'[^'\n]*(?:'|$)|\\.|[^\s"'\\])+)"""
)
# User and password before the host.
_IN_URLS = re.compile(
    r"""(?<=://)[^\s/?#"':@]{0,200}(?::[^\s"']{0,500})?@|(?<=:thin:)[^\s"'/@]{0,200}/[^\s"']{0,500}@"""
)
# Lines; one that ends in a backslash goes on.
_LINES = re.compile(r"(?<!\\)\n")
# Answers with the token of a session or the address of a dashboard; what a presigned URL is signed with.
_SECRET = re.compile(
    r"authToken|\"credentials\\?\":|PresignedURL\\?\"|\{\\?\"url\\?\":|X-Amz-Credential|^Signature:|^StringToSign:"
)
_LOGGERS = ("botocore.parsers", "botocore.auth")


def keep_secrets_out_of_logs() -> None:
    """Drop such lines from now on in this process, before they can be masked."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_no_secret)


def _is_no_secret(record: logging.LogRecord) -> bool:
    with suppress(TypeError, ValueError):
        return not _SECRET.search(record.getMessage())
    return True


def hidden(value: Any, name: str = "") -> Any:
    """A structure without what its names, or the texts in it, say to be secret.

    :param value: plain JSON, such as a configuration or the arguments of a program
    :param name: of the value
    """
    if name and _patterns().name.search(name):
        return value if value is None or isinstance(value, bool) or (isinstance(value, str) and not value) else HIDDEN
    if isinstance(value, Mapping):
        return {key: hidden(one, str(key)) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        # A program is given an option and its value one after the other.
        return [
            HIDDEN if _is_option(before) else _hidden_argument(one)
            for before, one in zip([None, *value], value)  # noqa: B905
        ]
    return hidden_in(value) if isinstance(value, str) else value


def hidden_in(text: str) -> str:
    """A text without the values of secrets: of options, settings and keys named so, and users and passwords in URLs.

    :param text: such as a command line, JSON, or lines of a log
    """
    begin = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=None)
    if begin is not None:
        with suppress(ValueError, RecursionError):
            structure = json.dumps(hidden(json.loads(text[begin:])), ensure_ascii=False)
            return hidden_in(text[:begin]) + structure
    if not _patterns().may_be_in(text):
        return text
    return "\n".join(map(_hidden_in_line, _LINES.split(text)))


def _hidden_in_line(line: str) -> str:
    if "@" in line:
        line = _IN_URLS.sub(f"{HIDDEN}@", line)
    if _patterns().may_be_in(line):
        for pattern in _patterns().texts:
            line = pattern.sub(rf"\g<before>{HIDDEN}", line)
    return line


class _Patterns:
    """What tells secrets by their names, those of Airflow's configuration included."""

    def __init__(self) -> None:
        own = conf.get("core", "sensitive_var_conn_names", fallback="") or ""
        others = [word.strip().lower() for word in own.split(",") if word.strip()]
        words = "|".join([_WORDS, *map(re.escape, others)])
        name = rf"(?:{words})[\w.-]{{0,200}}"
        equals, colon = r"\s{0,9}=\s{0,9}", r"\s{0,9}:\s{0,9}"
        self._signs = (*_SIGNS, *others, "@")
        self.name = re.compile(rf"(?i){words}")
        self.option = re.compile(rf"(?i)--?[\w.-]{{0,200}}?{name}")
        self.setting = re.compile(rf"(?i)[\w.-]{{0,200}}?{name}=")
        self.texts = tuple(
            re.compile(rf"(?im)(?P<before>{before}){value}")
            for before, value in (
                # A whole setting in quotes, of which the name is a part.
                (rf"""(?P<outer>["'])[\w.-]{{0,200}}?{name}{equals}""", r"(?:\\.|(?!(?P=outer))[^\n])*"),
                # Settings; keys; options.
                (rf"""{name}\\{{0,8}}["']?{equals}""", _VALUE),
                (rf"""{name}\\{{0,8}}["']{colon}""", _VALUE),
                (rf"""(?<![\w-])--?[\w.-]{{0,200}}?{name}\\{{0,8}}["']?,?[\s\\]{{1,80}}""", _VALUE),
                # What a person would write.
                (rf"(?:pass(?:word|wd|phrase)|(?:secret|api|access|private)(?:[-_. ]?key)?){colon}(?!//)", _VALUE),
                (rf"authorization{colon}", r"\S.*"),
                (r"\bbearer\s{1,9}", r"\S{8,}"),
            )
        )

    def may_be_in(self, text: str) -> bool:
        """Whether it is worth to look closely."""
        lower = text.lower()
        return any(sign in lower for sign in self._signs)


@cache
def _patterns() -> _Patterns:
    return _Patterns()


def _is_option(argument: Any) -> bool:
    return isinstance(argument, str) and bool(_patterns().option.fullmatch(argument))


def _hidden_argument(argument: Any) -> Any:
    """As :func:`hidden`; an argument that is a setting is one to its end, whatever is in it."""
    setting = _patterns().setting.match(argument) if isinstance(argument, str) else None
    return f"{setting[0]}{HIDDEN}" if setting else hidden(argument)
