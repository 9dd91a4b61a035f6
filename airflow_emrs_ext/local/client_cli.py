"""The commands that ask a running endpoint: ``emrs-local cp``, ``ls``, ``cat``, ``rm``, ``logs`` and ``status``."""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import re
import shutil
import sys
import urllib.error
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from airflow_emrs_ext.local.processes.endpoint import DEFAULT_PORT, opener_for
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError

DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
STREAM = "-"

COMMANDS = {
    "status": "list applications, job runs, sessions and what there is of EMR on EKS",
    "cp": "copy a file or a folder to, from or within the endpoint's S3",
    "ls": "list its buckets, or the objects below a prefix",
    "cat": "print an object, or all below a prefix; what ends in .gz is unpacked",
    "rm": "remove an object, or all below a prefix that ends in a slash",
    "logs": "print what the driver of a job run or session has printed",
}

_SECONDS = 10


class CommandRefused(Exception):
    """What was asked for cannot be done; says why, and what to do."""


@dataclass(frozen=True)
class S3Uri:
    """A place on S3.

    :param bucket: its bucket
    :param key: an object's key, or the beginning of several
    """

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def below(self, name: str) -> S3Uri:
        """An object below this place; without a name: this place as a folder."""
        return S3Uri(self.bucket, f"{self.key.rstrip('/')}/{name}".lstrip("/"))


def main(command: str, arguments: Sequence[str]) -> int:
    """Do what a command says.

    :param command: its name
    :param arguments: those after it
    :return: the exit status
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    parsed = _parser(command).parse_args(arguments)
    try:
        emr = _running_endpoint()
        parsed.act(emr, parsed)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough; the interpreter would flush once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        return 130
    except (CommandRefused, LocalEmrError, Boto3Error, BotoCoreError, ClientError, OSError) as error:
        print(f"emrs-local {command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"emrs-local {command}",
        description=f"{COMMANDS[command][0].upper()}{COMMANDS[command][1:]}.",
        epilog=f"The endpoint is the one of AWS_ENDPOINT_URL, else that at {DEFAULT_URL}; AWS itself is never asked.",
    )
    acts: dict[str, Callable[[LocalEmr, argparse.Namespace], None]] = {
        "cp": _cp,
        "ls": _ls,
        "cat": _cat,
        "rm": _rm,
        "logs": _logs,
        "status": _status,
    }
    parser.set_defaults(act=acts[command])
    if command == "cp":
        parser.add_argument("source", help="a file or folder, s3://bucket/key, s3://bucket/prefix; - is standard input")
        parser.add_argument("target", help="likewise; - is standard output; overwrites files, creates a missing bucket")
    elif command == "ls":
        parser.add_argument("uri", nargs="?", type=_s3_uri, help="s3://bucket/prefix; default: the buckets")
    elif command == "cat":
        parser.add_argument("uri", type=_s3_uri, help="s3://bucket/key or s3://bucket/prefix")
    elif command == "rm":
        parser.add_argument("uri", type=_s3_uri, help="s3://bucket/key, or s3://bucket/prefix/ for all below it")
    elif command == "logs":
        parser.add_argument(
            "driver", nargs="?", help="id or name of a job run, id of a session; default: the newest job run"
        )
        parser.add_argument("--stderr", action="store_true", help="what is on its standard error: Spark's own log")
    return parser


def _s3_uri(text: str) -> S3Uri:
    scheme, _, place = text.partition("://")
    bucket, _, key = place.partition("/")
    if scheme not in ("s3", "s3a") or not bucket:
        raise argparse.ArgumentTypeError(f"must be s3://bucket/key, not {text!r}")
    return S3Uri(bucket, key)


def _running_endpoint() -> LocalEmr:
    """The endpoint that the environment names; certain that it is one, and not AWS.

    :raises CommandRefused: nothing answers there, or something else
    """
    url = os.environ.get("AWS_ENDPOINT_URL") or DEFAULT_URL
    named = "AWS_ENDPOINT_URL" if os.environ.get("AWS_ENDPOINT_URL") else "the default"
    other = CommandRefused(
        f"{url} ({named}) is no endpoint of emrs-local, and this command asks nothing else: for AWS there is `aws s3`"
    )
    try:
        health = _health(url)
        if health.get("status") != "ok":
            raise other
    except (urllib.error.HTTPError, AttributeError, ValueError):
        raise other from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise CommandRefused(
            f"no endpoint answers at {url} ({named}; {reason}): start it with `emrs-local` or `emrs-local airflow`,"
            " or let AWS_ENDPOINT_URL name the one that runs"
        ) from None
    return LocalEmr(url, s3_endpoint=health.get("s3Endpoint"))


def _health(url: str) -> Any:
    """What a server says of itself; one that is slow is waited for."""
    opener = opener_for(url)
    while True:
        try:
            with opener.open(f"{url.rstrip('/')}/_emrs/health", timeout=_SECONDS) as response:
                return json.load(response)
        except TimeoutError:
            print(f"{url} has not answered for {_SECONDS} s; still waiting, Ctrl-C ends it", file=sys.stderr)


def _client(emr: LocalEmr) -> Any:
    """A client of the S3 that the endpoint's Spark reads and writes.

    :raises CommandRefused: that is AWS
    """
    from botocore.config import Config

    if emr.s3_endpoint and "amazonaws.com" in (urlsplit(emr.s3_endpoint).hostname or ""):
        raise CommandRefused(f"the endpoint's --s3-endpoint is {emr.s3_endpoint}: for AWS there is `aws s3`")
    # Of the endpoint itself, whatever proxy the environment has.
    return emr.client("s3", config=Config(proxies={}))


def _cp(emr: LocalEmr, parsed: argparse.Namespace) -> None:
    s3 = _client(emr)
    source, target = _place(parsed.source), _place(parsed.target)
    if not isinstance(source, S3Uri) and not isinstance(target, S3Uri):
        raise CommandRefused(f"neither {source} nor {target} is on S3: one of them has to begin with s3://")
    if source == STREAM and str(target).endswith("/"):
        raise CommandRefused(f"standard input needs the key of an object, not {target}")
    found = [(source, "")] if source == STREAM else list(_found(s3, source))
    copies = [(one, target if target == STREAM else _target_of(one, name, target)) for one, name in found]
    if isinstance(target, S3Uri):
        _make_bucket(s3, target.bucket)
    else:
        _check_files([Path(str(place)) for _, place in copies])
    for one, place in copies:
        _copy(s3, one, place)
        if STREAM not in (one, place):
            print(f"{one} -> {place}")


def _place(text: str) -> S3Uri | str:
    """A place on S3, or the path of a file or folder."""
    if "://" not in text:
        return text
    try:
        return _s3_uri(text)
    except argparse.ArgumentTypeError as error:
        raise CommandRefused(str(error)) from None


def _found(s3: Any, source: S3Uri | str) -> Iterator[tuple[S3Uri | str, str]]:
    """Each file or object of a source, with its name below it; without one if the source is the file or object itself.

    :raises CommandRefused: there is none
    """
    if isinstance(source, S3Uri):
        if source.key and not source.key.endswith("/") and _is_object(s3, source):
            yield source, ""
            return
        folder = source.below("").key
        keys = [key for key, _, _ in _objects(s3, S3Uri(source.bucket, folder)) if not key.endswith("/")]
        yield from ((S3Uri(source.bucket, key), key[len(folder) :]) for key in keys)
    elif Path(source).is_dir():
        keys = [str(path.relative_to(source)) for path in _files(Path(source))]
        yield from ((str(Path(source, key)), key) for key in keys)
    else:
        keys = [source] if Path(source).exists() else []
        yield from ((key, "") for key in keys)
    if not keys:
        raise CommandRefused(f"there is nothing at {source}")


def _files(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Each file below a folder, through links, too."""
    here = folder.resolve()
    if here in above:
        raise CommandRefused(f"{folder} leads back to {here}, and so has no end: remove this link")
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _files(path, (*above, here))
        elif path.is_file():
            yield path
        else:
            print(f"{path} is left out: there is no file behind it", file=sys.stderr)


def _target_of(one: S3Uri | str, name: str, target: S3Uri | str) -> S3Uri | str:
    if isinstance(target, S3Uri):
        is_folder = not target.key or target.key.endswith("/")
    else:
        is_folder = target.endswith("/") or Path(target).is_dir()
    if not name and not is_folder:
        return target
    name = name or (one.key if isinstance(one, S3Uri) else Path(one).name).rpartition("/")[2]
    if isinstance(target, S3Uri):
        return target.below(name)
    place = Path(target, name)
    if not place.resolve().is_relative_to(Path(target).resolve()):
        raise CommandRefused(
            f"{one} would be written outside of {target}, to {place}: copy it alone, to a file you name"
        )
    return str(place)


def _check_files(places: Sequence[Path]) -> None:
    """Refuse what a file system cannot hold, before anything is written."""
    for both in {above for place in places for above in place.parents}.intersection(places):
        raise CommandRefused(f"{both} would be a file and a folder: copy the object of this name alone, elsewhere")


def _copy(s3: Any, one: S3Uri | str, place: S3Uri | str) -> None:
    if isinstance(place, S3Uri):
        if isinstance(one, S3Uri):
            s3.copy({"Bucket": one.bucket, "Key": one.key}, place.bucket, place.key)
        elif one == STREAM:
            s3.upload_fileobj(sys.stdin.buffer, place.bucket, place.key)
        else:
            s3.upload_file(one, place.bucket, place.key)
    elif isinstance(one, S3Uri):
        if place == STREAM:
            _print_object(s3, one, unpack=False)
        else:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(one.bucket, one.key, place)


def _ls(emr: LocalEmr, parsed: argparse.Namespace) -> None:
    s3 = _client(emr)
    if parsed.uri is None:
        for bucket in s3.list_buckets()["Buckets"]:
            print(S3Uri(bucket["Name"], ""))
        return
    found = list(_objects(s3, parsed.uri))
    if not found:
        raise CommandRefused(f"there is nothing at {parsed.uri}")
    for key, size, changed in found:
        print(f"{changed:%Y-%m-%d %H:%M:%S} {size:>12} {S3Uri(parsed.uri.bucket, key)}")


def _cat(emr: LocalEmr, parsed: argparse.Namespace) -> None:
    s3 = _client(emr)
    for one, _ in _found(s3, parsed.uri):
        assert isinstance(one, S3Uri)
        _print_object(s3, one, unpack=True)


def _rm(emr: LocalEmr, parsed: argparse.Namespace) -> None:
    s3, uri = _client(emr), parsed.uri
    found = [key for key, _, _ in _objects(s3, uri) if key == uri.key or uri.key.endswith("/")]
    if not found:
        raise CommandRefused(f"there is no object {uri}; with a slash at its end it is all below it")
    for key in found:
        s3.delete_object(Bucket=uri.bucket, Key=key)
        print(f"removed {S3Uri(uri.bucket, key)}")


def _logs(emr: LocalEmr, parsed: argparse.Namespace) -> None:
    job_runs = sorted([*emr.job_runs(), *emr.eks_job_runs()], key=lambda run: str(run["createdAt"]))
    named = {run["name"]: _id(run) for run in job_runs if run.get("name")}
    ids = [_id(one) for one in [*emr.managed_endpoints(), *emr.cluster_sessions(), *emr.sessions(), *job_runs]]
    driver = named.get(parsed.driver, parsed.driver) if parsed.driver else _id(job_runs[-1]) if job_runs else None
    if driver not in ids:
        missing = f"job run or session {driver}" if driver else "job run"
        raise CommandRefused(f"there is no {missing}; `emrs-local status` lists what there is")
    s3, wanted = _client(emr), "stderr.gz" if parsed.stderr else "stdout.gz"
    places = [
        S3Uri(bucket["Name"], key)
        for bucket in s3.list_buckets()["Buckets"]
        for key, _, _ in _objects(s3, S3Uri(bucket["Name"], ""))
        if driver in key.split("/") and key.endswith(f"/{wanted}") and "/SPARK_EXECUTOR/" not in key
    ]
    if not places:
        raise CommandRefused(
            f"there is no {wanted} of {driver} on S3: its log is delivered some seconds after its driver has started,"
            " and only if its monitoring configuration, or its application's, has a log URI on S3"
        )
    # The tenth attempt comes after the second.
    for place in sorted(places, key=lambda place: re.sub(r"\d+", lambda number: number[0].zfill(9), str(place))):
        print(f"==> {place} <==", file=sys.stderr, flush=True)
        _print_object(s3, place, unpack=True)


def _status(emr: LocalEmr, _: argparse.Namespace) -> None:
    kinds: dict[str, list[dict[str, Any]]] = {
        "application": emr.applications(),
        "job run": emr.job_runs(),
        "session": emr.sessions(),
        "virtual cluster": emr.virtual_clusters(),
        "EKS job run": emr.eks_job_runs(),
        "managed endpoint": emr.managed_endpoints(),
        "cluster": emr.clusters(),
        "cluster session": emr.cluster_sessions(),
    }
    print(emr.url)
    for kind, records in kinds.items():
        for record in records:
            print(f"{kind:<17} {_id(record):<26} {_state(record):<11} {_name(record)}".rstrip())


def _id(record: dict[str, Any]) -> str:
    return str(next(record[name] for name in ("jobRunId", "sessionId", "applicationId", "id", "Id") if name in record))


def _state(record: dict[str, Any]) -> str:
    return str(record["stateHistory"][-1]["state"])


def _name(record: dict[str, Any]) -> str:
    return record.get("name") or record.get("Name") or ""


def _make_bucket(s3: Any, bucket: str) -> None:
    if bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket)


def _is_object(s3: Any, uri: S3Uri) -> bool:
    return any(key == uri.key for key, _, _ in _objects(s3, uri))


def _objects(s3: Any, uri: S3Uri) -> Iterator[tuple[str, int, Any]]:
    """Key, size and date of each object whose key begins so."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=uri.bucket, Prefix=uri.key):
        for entry in page.get("Contents", ()):
            yield entry["Key"], entry["Size"], entry["LastModified"]


def _print_object(s3: Any, uri: S3Uri, *, unpack: bool) -> None:
    body: IO[bytes] = s3.get_object(Bucket=uri.bucket, Key=uri.key)["Body"]
    with gzip.open(body) if unpack and uri.key.endswith(".gz") else contextlib.nullcontext(body) as content:
        try:
            shutil.copyfileobj(content, sys.stdout.buffer)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CommandRefused(f"{uri}: {error}; `emrs-local cp {uri} -` prints it as it is") from None
    sys.stdout.buffer.flush()
