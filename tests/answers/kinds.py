"""The kinds of answers: each says what becomes of one that a service has given, or would have."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

from tests.answers.wire import Answer, Request

Change = Callable[[Answer, Request], "Answer | None"]

# What is asked of a service, as the matrix names it.
JSON_OPERATIONS = ("start", "get", "list", "list of many", "cancel", "report", "events", "CloudWatch")
OPERATIONS = (*JSON_OPERATIONS, "S3")
WITH_STATES = ("get", "list", "list of many")
LISTS = ("list", "list of many")

OWN_IDS = ("applicationId", "virtualClusterId", "jobRunId", "sessionId", "id", "arn")
UNKNOWN = "PAUSED"


@dataclass(frozen=True)
class Kind:
    """A kind of answers.

    :param name: as the table names it
    :param change: what becomes of an answer; ``None``: the connection is broken instead
    :param operations: where it exists
    :param reaches: whether the request has reached the service
    :param closes: whether connections are refused from then on
    :param differs: whether boto3 and aiobotocore see different answers in it: what a task can tell may differ in the
        modes then, how it ends may not
    :param takes_seconds: how long each answer takes at least: so that a listing without an end does not reach the most
        pages that anyone reads within the time for which it is wrong, however fast the machine
    """

    name: str
    change: Change
    operations: tuple[str, ...] = OPERATIONS
    reaches: bool = True
    closes: bool = False
    differs: bool = False
    takes_seconds: float = 0


KINDS: dict[str, Kind] = {}


def _kind(name: str, operations: tuple[str, ...] = OPERATIONS, **facts: Any) -> Callable[[Change], Change]:
    def add(change: Change) -> Change:
        KINDS[name] = Kind(name, change, operations, **facts)
        return change

    return add


# --- what the JSON says -----------------------------------------------------------------------------------------------


def _changed(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    """An answer whose JSON is another; one of an error stays."""
    if answer.status >= 300:
        return answer
    document = json.loads(answer.body or b"{}")
    return answer.but(body=json.dumps(change(document)).encode())


def _described(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What has a state in a document: one resource, or those of a listing."""
    for value in document.values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and "state" in one:
                yield one


def _each(change: Callable[[dict[str, Any]], Any], *, only_first: bool = False) -> Change:
    """A change of what has a state."""

    def of(document: dict[str, Any]) -> dict[str, Any]:
        for one in _described(document):
            change(one)
            if only_first:
                break
        return document

    return lambda answer, request: _changed(answer, of)


def _say(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda one: one.update({name: value})


for _name, _change, _where in [
    ("unknown state", _each(_say("state", UNKNOWN), only_first=True), WITH_STATES),
    ("unknown state in every entry", _each(_say("state", UNKNOWN)), LISTS),
    ("number for the state", _each(_say("state", 7)), WITH_STATES),
    ("no state", _each(lambda one: one.pop("state")), WITH_STATES),
    ("no createdAt", _each(lambda one: one.pop("createdAt")), WITH_STATES),
    ("a word for createdAt", _each(_say("createdAt", "yesterday")), WITH_STATES),
    ("no ids", _each(lambda one: [one.pop(name, None) for name in OWN_IDS]), WITH_STATES),
    ("stateDetails of 2 MB", _each(_say("stateDetails", "all is well, " * 160_000)), WITH_STATES),
]:
    _kind(_name, _where)(_change)


@_kind("list for object", JSON_OPERATIONS)
def _lists(answer: Answer, request: Request) -> Answer:
    def of(document: dict[str, Any]) -> Any:
        return {name: {} if isinstance(value, list) else [value] for name, value in document.items()} or []

    return _changed(answer, of)


@_kind("null for every member", JSON_OPERATIONS)
def _nulls(answer: Answer, request: Request) -> Answer:
    def of(document: dict[str, Any]) -> Any:
        return {
            name: dict.fromkeys(value) if isinstance(value, dict) else None for name, value in document.items()
        } or None

    return _changed(answer, of)


@_kind("JSON of a word", JSON_OPERATIONS)
def _word(answer: Answer, request: Request) -> Answer:
    return _changed(answer, lambda document: "ok")


@_kind("members that nobody knows", JSON_OPERATIONS)
def _extra(answer: Answer, request: Request) -> Answer:
    def of(document: Any) -> Any:
        if isinstance(document, dict):
            return {**{name: of(value) for name, value in document.items()}, "novelty": {"a": [1, None, {"b": True}]}}
        return [of(one) for one in document] if isinstance(document, list) else document

    return _changed(answer, of)


@_kind("members twice", JSON_OPERATIONS)
def _twice(answer: Answer, request: Request) -> Answer:
    if answer.status >= 300:
        return answer
    return answer.but(body=answer.body.replace(b'{"', b'{"state": "PAUSED", "createdAt": null, "'))


@_kind("the answer to another request", ("start", "get", "list", "list of many", "cancel"))
def _anothers(answer: Answer, request: Request) -> Answer:
    def other(value: str) -> str:
        return value[: len(value) // 2] + "z" * (len(value) - len(value) // 2)

    def of(document: dict[str, Any]) -> dict[str, Any]:
        # Of what is described it is another one on the same application, which has failed.
        except_states = ("applicationId", "virtualClusterId") if any(_described(document)) else ()
        for one in list(_described(document)) or [document]:
            one.update({name: other(one[name]) for name in OWN_IDS if name in one and name not in except_states})
            if "state" in one:
                one["state"] = "FAILED"
        return document

    return _changed(answer, of)


@_kind("a next page for ever", ("list", "list of many", "report", "CloudWatch"), takes_seconds=0.01)
def _endless(answer: Answer, request: Request) -> Answer:
    def of(document: dict[str, Any]) -> dict[str, Any]:
        name = "nextForwardToken" if "nextForwardToken" in document else "nextToken"
        asked = re.search(r"more-(\d+)", f"{request.target} {request.body!r}")
        return {**document, name: f"more-{int(asked[1]) + 1 if asked else 1}"}

    return _changed(answer, of)


# --- what the bytes are -----------------------------------------------------------------------------------------------


@_kind("half the JSON")
def _half(answer: Answer, request: Request) -> Answer:
    return answer.but(body=answer.body[: len(answer.body) // 2]).without("content-encoding")


@_kind("a body shorter than its length")
def _short(answer: Answer, request: Request) -> Answer:
    return answer.but(length=len(answer.body) + 20, ends="closed")


@_kind("an empty 200")
def _empty(answer: Answer, request: Request) -> Answer:
    return answer.but(body=b"")


@_kind("204 without a body")
def _no_content(answer: Answer, request: Request) -> Answer:
    return answer.but(status=204, reason="No Content", body=b"")


@_kind("no UTF-8")
def _no_text(answer: Answer, request: Request) -> Answer:
    return answer.but(body=answer.body.replace(b'"', b'"\xff\xfe', 5))


@_kind("another content type")
def _plain(answer: Answer, request: Request) -> Answer:
    return answer.with_headers(content_type="text/plain; charset=utf-16")


@_kind("cut gzip")
def _cut_gzip(answer: Answer, request: Request) -> Answer:
    packed = gzip.compress(answer.body)
    return answer.but(body=packed[: len(packed) * 2 // 3]).with_headers(content_encoding="gzip")


@_kind("gzip that is none")
def _no_gzip(answer: Answer, request: Request) -> Answer:
    return answer.with_headers(content_encoding="gzip")


@_kind("cut chunks")
def _cut_chunks(answer: Answer, request: Request) -> Answer:
    half = answer.body[: len(answer.body) // 2]
    body = b"%x\r\n%s\r\n" % (len(half), half)
    return answer.but(body=body, ends="closed").without("content-length").with_headers(transfer_encoding="chunked")


@_kind("100 first")
def _continue(answer: Answer, request: Request) -> Answer:
    return answer.but(before=b"HTTP/1.1 100 Continue\r\n\r\n")


@_kind("103 first", differs=True)
def _hints(answer: Answer, request: Request) -> Answer:
    return answer.but(before=b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")


@_kind("bytes that are no HTTP")
def _no_http(answer: Answer, request: Request) -> Answer:
    return Answer(0, before=b"\x15\x03\x03\x00\x02\x02\x28" * 3, until=0, ends="closed")


# --- what is not the service's ----------------------------------------------------------------------------------------


def _page(status: int, reason: str) -> Change:
    page = f"<!DOCTYPE html><html><head><title>{status} {reason}</title></head><body>Please sign in</body></html>"

    def change(answer: Answer, request: Request) -> Answer:
        headers = {"content-type": "text/html; charset=utf-8", "server": "proxy", "via": "1.1 proxy"}
        if status == 302:
            headers["location"] = f"http://{request.headers.get('host', '127.0.0.1')}/sign-in"
        if status == 407:
            headers["proxy-authenticate"] = 'Basic realm="proxy"'
        return Answer(status, reason, headers, page.encode())

    return change


for _status, _reason in [
    (200, "OK"),
    (302, "Found"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (500, "Internal Server Error"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
]:
    _kind(f"HTML {_status}", reaches=False)(_page(_status, _reason))


@_kind("429 without a body", reaches=False)
def _too_many(answer: Answer, request: Request) -> Answer:
    return Answer(429, "Too Many Requests", {"retry-after": "1"})


# --- what the service refuses -----------------------------------------------------------------------------------------


def _error(status: int, code: str, message: str, s3_code: str = "") -> Change:
    def change(answer: Answer, request: Request) -> Answer:
        date = {"date": format_datetime(datetime.now(timezone.utc), usegmt=True), "x-amzn-requestid": "0-1-2"}
        if request.operation == "GetObject":
            code_of_s3 = s3_code or code.removesuffix("Exception")
            xml = f"<?xml version='1.0'?><Error><Code>{code_of_s3}</Code><Message>{message}</Message></Error>"
            return Answer(status, "Refused", {**date, "content-type": "application/xml"}, xml.encode())
        headers = {**date, "content-type": "application/json", "x-amzn-errortype": code}
        body = {"message": message, "__type": code} if code else {}
        return Answer(status, "Refused", headers, json.dumps(body).encode())

    return change


for _status, _code, _message, _of_s3 in [
    (403, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/airflow is not authorized", "AccessDenied"),
    (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        "InvalidAccessKeyId",
    ),
    (
        403,
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided.",
        "SignatureDoesNotMatch",
    ),
    (403, "ExpiredTokenException", "The security token included in the request is expired", "ExpiredToken"),
    (400, "ThrottlingException", "Rate exceeded", "SlowDown"),
    (500, "InternalServerException", "An internal error has occurred", "InternalError"),
    (400, "NoveltyException", "Something that this version does not know", "Novelty"),
]:
    _kind(_code, reaches=False)(_error(_status, _code, _message, _of_s3))
_kind("400 without a code", JSON_OPERATIONS, reaches=False)(_error(400, "", ""))


# --- clocks -----------------------------------------------------------------------------------------------------------


def _date(hours: float) -> Change:
    def change(answer: Answer, request: Request) -> Answer:
        then = datetime.now(timezone.utc) + timedelta(hours=hours)
        return answer.with_headers(date=format_datetime(then, usegmt=True))

    return change


_kind("Date 3 hours behind")(_date(-3))
_kind("Date 3 hours ahead")(_date(3))


@_kind("no Date")
def _no_date(answer: Answer, request: Request) -> Answer:
    return answer.without("date")


@_kind("a word for Date")
def _word_for_date(answer: Answer, request: Request) -> Answer:
    return answer.with_headers(date="yesterday")


# --- connections ------------------------------------------------------------------------------------------------------


@_kind("cut before the request has an effect", reaches=False)
def _cut_at_once(answer: Answer, request: Request) -> None:
    return None


@_kind("cut after the effect")
def _cut_after(answer: Answer, request: Request) -> None:
    return None


@_kind("cut in the headers")
def _cut_in_head(answer: Answer, request: Request) -> Answer:
    return answer.but(until=len(answer.head) // 2, ends="reset")


@_kind("cut in the body")
def _cut_in_body(answer: Answer, request: Request) -> Answer:
    return answer.but(until=len(answer.head) + len(answer.body) // 2, ends="reset")


@_kind("closed instead of an answer")
def _closed(answer: Answer, request: Request) -> Answer:
    return answer.but(until=0, ends="closed")


@_kind("connection refused", reaches=False, closes=True)
def _refused(answer: Answer, request: Request) -> None:
    return None
