"""The S3 gateway over real HTTP, in front of the S3 of a real endpoint, and what boto3 sees of it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.testing import LocalEmr
from tests.polling import eventually

uvicorn = pytest.importorskip("uvicorn", reason="needs the extra: local")
# These import uvicorn.
from airflow_emrs_ext.local.s3.gateway import S3Gateway  # noqa: E402
from airflow_emrs_ext.local.server.connection import LenientConnection  # noqa: E402

BUCKET = "gateway"
SPECIAL = "a b+c%20é#?&=;:,'()!*~@$[]{}😀"


class Client:
    """What Hadoop's WebHDFS client does, and what boto3 sees."""

    def __init__(self, url: str, gateway: S3Gateway, s3: Any) -> None:
        self.authority = urlsplit(url).netloc
        self.gateway = gateway
        self.s3 = s3

    def raw(self, method: str, target: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.authority, timeout=30)
        try:
            connection.request(method, target, body, encode_chunked=not isinstance(body, bytes | None))
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def call(self, method: str, operation: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        target = f"/webhdfs/v1{quote(path)}?{urlencode({'op': operation, **query})}"
        status, headers, answer = self.raw(method, target, body)
        if headers.get("content-type") == "application/json":
            return status, json.loads(answer)
        return status, answer

    def write(self, path: str, content: Any, **query: Any) -> tuple[int, Any]:
        """Both steps of writing a file; the answer of the step that ended it."""
        target = f"/webhdfs/v1{quote(path)}?{urlencode({'op': 'CREATE', **query})}"
        status, headers, answer = self.raw("PUT", target)
        if status != 307:
            return status, json.loads(answer)
        status, _, answer = self.raw("PUT", headers["location"].partition(self.authority)[2], content)
        return status, answer

    def status(self, path: str) -> dict[str, Any] | None:
        status, answer = self.call("GET", "GETFILESTATUS", path)
        if status == 404:
            assert answer["RemoteException"]["exception"] == "FileNotFoundException"
            return None
        return dict(answer["FileStatus"])

    def names(self, path: str) -> list[str]:
        _, answer = self.call("GET", "LISTSTATUS", path)
        return [entry["pathSuffix"] for entry in answer["FileStatuses"]["FileStatus"]]

    def rename(self, source: str, destination: str, **query: Any) -> Any:
        _, answer = self.call("PUT", "RENAME", source, destination=destination, **query)
        return answer["boolean"] if isinstance(answer, dict) and "boolean" in answer else answer

    def delete(self, path: str, *, recursive: bool = True) -> Any:
        return self.call("DELETE", "DELETE", path, recursive=str(recursive).lower())

    def keys(self) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def put(self, *keys: str, body: bytes = b"x") -> None:
        for key in keys:
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


@pytest.fixture(scope="module")
def served(emr_endpoint: LocalEmr) -> Iterator[tuple[str, S3Gateway, Any]]:
    target = AwsTarget(emr_endpoint.url)
    gateway = S3Gateway(target)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(gateway, http=LenientConnection, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}", gateway, target.client("s3")
        server.should_exit = True
        thread.join(10)
        gateway.close()


@pytest.fixture
def client(served: tuple[str, S3Gateway, Any], emr: LocalEmr) -> Client:
    client = Client(*served)
    client.gateway.reset()
    client.s3.create_bucket(Bucket=BUCKET)
    return client


def exception(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["RemoteException"]["exception"]


def test_a_file_is_an_object_and_the_other_way_round(client: Client) -> None:
    assert client.write(f"/{BUCKET}/d/f", b"hello")[0] == 201
    client.put("d/g", body=b"from boto3")

    assert client.get("d/f") == b"hello"
    assert client.call("GET", "OPEN", f"/{BUCKET}/d/g") == (200, b"from boto3")
    assert client.names(f"/{BUCKET}/d") == ["f", "g"]
    found = client.status(f"/{BUCKET}/d/f")
    assert found is not None
    assert (found["type"], found["length"]) == ("FILE", 5)
    assert abs(found["modificationTime"] / 1000 - time.time()) < 120


def test_ranges(client: Client) -> None:
    client.put("f", body=bytes(range(100)))
    client.put("empty", body=b"")

    assert client.call("GET", "OPEN", f"/{BUCKET}/f", offset=10, length=5)[1] == bytes(range(10, 15))
    assert client.call("GET", "OPEN", f"/{BUCKET}/f", offset=90)[1] == bytes(range(90, 100))
    assert client.call("GET", "OPEN", f"/{BUCKET}/f", offset=90, length=50)[1] == bytes(range(90, 100))
    assert client.call("GET", "OPEN", f"/{BUCKET}/f", offset=100) == (200, b"")
    assert client.call("GET", "OPEN", f"/{BUCKET}/f", length=0) == (200, b"")
    assert client.call("GET", "OPEN", f"/{BUCKET}/empty") == (200, b"")
    assert client.call("GET", "OPEN", f"/{BUCKET}/f", offset="x")[0] == 400


def test_large_objects_pass_in_parts_both_ways(client: Client) -> None:
    block = bytes(range(256)) * 4096
    content = block * 30

    assert client.write(f"/{BUCKET}/large", (block for _ in range(30)))[0] == 201

    assert "-" in client.s3.head_object(Bucket=BUCKET, Key="large")["ETag"]
    assert client.get("large") == content
    assert client.call("GET", "OPEN", f"/{BUCKET}/large")[1] == content
    assert (
        client.call("GET", "OPEN", f"/{BUCKET}/large", offset=20_000_000, length=1000)[1]
        == content[20_000_000:20_001_000]
    )


def test_a_large_object_that_is_replaced_is_read_anew(client: Client) -> None:
    client.put("large", body=b"a" * 9_000_000)
    assert client.call("GET", "OPEN", f"/{BUCKET}/large", offset=8_999_999)[1] == b"a"

    client.put("large", body=b"b" * 9_500_000)
    assert client.call("GET", "OPEN", f"/{BUCKET}/large", offset=9_499_999)[1] == b"b"

    client.put("large", body=b"c")
    assert client.call("GET", "OPEN", f"/{BUCKET}/large")[1] == b"c"

    client.s3.delete_object(Bucket=BUCKET, Key="large")
    assert exception(client.call("GET", "OPEN", f"/{BUCKET}/large")) == (404, "FileNotFoundException")


def test_an_upload_that_is_broken_off_leaves_nothing(client: Client) -> None:
    _, headers, _ = client.raw("PUT", f"/webhdfs/v1/{BUCKET}/broken?op=CREATE")
    location = urlsplit(headers["location"])
    with socket.create_connection(("127.0.0.1", location.port or 0)) as connection:
        head = f"PUT {location.path}?{location.query} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(12):
            connection.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
        eventually(lambda: client.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads"))

    eventually(lambda: not client.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads"))
    assert client.keys() == []


def test_names_with_every_kind_of_character(client: Client) -> None:
    key = f"d/{SPECIAL}/f {SPECIAL}"

    assert client.write(f"/{BUCKET}/{key}", b"x")[0] == 201
    assert client.keys() == [key]
    assert client.names(f"/{BUCKET}/d") == [SPECIAL]
    assert client.names(f"/{BUCKET}/d/{SPECIAL}") == [f"f {SPECIAL}"]
    assert client.rename(f"/{BUCKET}/{key}", f"/{BUCKET}/e/{SPECIAL}%2F") is True
    assert client.keys() == [f"e/{SPECIAL}%2F"]
    assert client.call("GET", "OPEN", f"/{BUCKET}/e/{SPECIAL}%2F") == (200, b"x")


def test_a_request_target_that_is_not_ascii(client: Client) -> None:
    """Hadoop's client sends such characters as they are."""
    client.put("zürich/ö")
    host, _, port = client.authority.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        request = f"GET /webhdfs/v1/{BUCKET}/zürich/ö?op=OPEN HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\nx")


def test_a_file_is_not_overwritten_unasked(client: Client) -> None:
    client.put("f", body=b"old")

    assert exception(client.write(f"/{BUCKET}/f", b"new")) == (403, "FileAlreadyExistsException")
    assert client.get("f") == b"old"
    assert client.write(f"/{BUCKET}/f", b"new", overwrite="true")[0] == 201
    assert client.get("f") == b"new"


def test_a_directory_is_never_overwritten(client: Client) -> None:
    client.put("d/f")

    assert exception(client.write(f"/{BUCKET}/d", b"x", overwrite="true")) == (403, "FileAlreadyExistsException")


@pytest.mark.parametrize(
    ("method", "operation", "path"),
    [
        ("GET", "GETFILESTATUS", f"/{BUCKET}/none"),
        ("GET", "LISTSTATUS", f"/{BUCKET}/none"),
        ("GET", "OPEN", f"/{BUCKET}/none"),
        ("GET", "OPEN", f"/{BUCKET}/directory"),
        ("GET", "GETFILESTATUS", "/no-such-bucket"),
        ("GET", "GETFILESTATUS", "/no-such-bucket/x"),
        ("PUT", "CREATE", "/no-such-bucket/x"),
        ("PUT", "MKDIRS", "/no-such-bucket/x"),
    ],
)
def test_what_is_not_there(client: Client, method: str, operation: str, path: str) -> None:
    client.put("directory/f")
    status, name = exception(client.call(method, operation, path))

    assert (status, name) == (404, "FileNotFoundException")


def test_directories_exist_while_they_are_empty_and_leave_no_markers(client: Client) -> None:
    assert client.call("PUT", "MKDIRS", f"/{BUCKET}/a/b/c") == (200, {"boolean": True})

    for path in ("a", "a/b", "a/b/c"):
        found = client.status(f"/{BUCKET}/{path}")
        assert found is not None
        assert found["type"] == "DIRECTORY"
    assert client.names(f"/{BUCKET}") == ["a"]
    assert client.names(f"/{BUCKET}/a") == ["b"]
    assert client.names(f"/{BUCKET}/a/b/c") == []
    assert client.keys() == []


def test_a_directory_that_loses_its_last_file_stays_until_it_is_deleted(client: Client) -> None:
    client.write(f"/{BUCKET}/d/e/f", b"x")
    client.delete(f"/{BUCKET}/d/e/f")

    assert client.names(f"/{BUCKET}/d/e") == []
    assert client.delete(f"/{BUCKET}/d") == (200, {"boolean": True})
    assert client.status(f"/{BUCKET}/d") is None


def test_what_boto3_deletes_is_gone(client: Client) -> None:
    client.call("PUT", "MKDIRS", f"/{BUCKET}/out/_temporary/0")
    client.write(f"/{BUCKET}/out/_temporary/0/part", b"x")
    client.rename(f"/{BUCKET}/out/_temporary/0/part", f"/{BUCKET}/out/part")
    client.delete(f"/{BUCKET}/out/_temporary")

    client.s3.delete_object(Bucket=BUCKET, Key="out/part")

    assert client.status(f"/{BUCKET}/out") is None


def test_a_directory_marker_of_another_tool_is_a_directory(client: Client) -> None:
    client.put("d/", "e_$folder$", body=b"")

    found = client.status(f"/{BUCKET}/d")
    assert found is not None
    assert found["type"] == "DIRECTORY"
    assert client.names(f"/{BUCKET}/d") == []
    assert client.names(f"/{BUCKET}") == ["d"]


def test_a_name_that_sorts_between_a_directory_and_its_content(client: Client) -> None:
    client.put("a-1", "a.txt", "a/f")

    found = client.status(f"/{BUCKET}/a")
    assert found is not None
    assert found["type"] == "DIRECTORY"
    assert client.names(f"/{BUCKET}") == ["a", "a-1", "a.txt"]


def test_making_a_directory_of_a_file_is_an_error(client: Client) -> None:
    client.put("f")

    assert exception(client.call("PUT", "MKDIRS", f"/{BUCKET}/f")) == (403, "FileAlreadyExistsException")


def test_deleting(client: Client) -> None:
    client.put(*(f"d/{number}" for number in range(30)), "d2")

    assert exception(client.delete(f"/{BUCKET}/d", recursive=False)) == (403, "PathIsNotEmptyDirectoryException")
    assert client.delete(f"/{BUCKET}/d") == (200, {"boolean": True})
    assert client.keys() == ["d2"]
    assert client.delete(f"/{BUCKET}/d") == (200, {"boolean": False})
    assert client.delete(f"/{BUCKET}/") == (200, {"boolean": False})
    assert client.keys() == ["d2"]


def test_renaming_a_directory_moves_all_of_it(client: Client) -> None:
    client.put("d/1", "d/e/2", "d-other")
    client.call("PUT", "MKDIRS", f"/{BUCKET}/d/empty")

    assert client.rename(f"/{BUCKET}/d", f"/{BUCKET}/new") is True

    assert client.keys() == ["d-other", "new/1", "new/e/2"]
    assert client.names(f"/{BUCKET}/new") == ["1", "e", "empty"]
    assert client.status(f"/{BUCKET}/d") is None


def test_renaming_follows_the_rules_of_hdfs(client: Client) -> None:
    client.put("f", body=b"f")
    client.put("g", body=b"g")
    client.put("d/x")

    assert client.rename(f"/{BUCKET}/none", f"/{BUCKET}/n") is False
    assert client.rename(f"/{BUCKET}/f", f"/{BUCKET}/g") is False
    assert client.rename(f"/{BUCKET}/d", f"/{BUCKET}/d/below") is False
    assert client.rename(f"/{BUCKET}/f", f"/{BUCKET}/f") is True
    assert client.rename(f"/{BUCKET}/f", f"/{BUCKET}/d") is True
    assert client.keys() == ["d/f", "d/x", "g"]
    assert client.rename(f"/{BUCKET}/g", f"/{BUCKET}/d/f", renameoptions="OVERWRITE") == b""
    assert client.get("d/f") == b"g"


def test_a_committer_with_both_algorithms_leaves_its_output_and_nothing_else(client: Client) -> None:
    base = f"/{BUCKET}/out"
    for version in (1, 2):
        task = f"{base}/_temporary/0/_temporary/attempt_0"
        client.call("PUT", "MKDIRS", task)
        client.write(f"{task}/part-{version}", b"x")
        if version == 1:
            committed = f"{base}/_temporary/0/task_0"
            assert client.rename(task, committed) is True
            assert client.rename(f"{committed}/part-1", f"{base}/part-1") is True
        else:
            assert client.rename(f"{task}/part-2", f"{base}/part-2") is True
        client.delete(f"{base}/_temporary")
        client.write(f"{base}/_SUCCESS", b"", overwrite="true")

    assert client.keys() == ["out/_SUCCESS", "out/part-1", "out/part-2"]
    assert client.names(base) == ["_SUCCESS", "part-1", "part-2"]


def test_the_rest_of_the_protocol(client: Client) -> None:
    client.put("d/1", "d/e/2", body=b"12345")

    assert client.call("PUT", "SETPERMISSION", f"/{BUCKET}/d/1", permission=777) == (200, b"")
    assert client.call("PUT", "SETREPLICATION", f"/{BUCKET}/d/1") == (200, {"boolean": True})
    assert client.call("GET", "GETHOMEDIRECTORY", "/") == (200, {"Path": "/user/hadoop"})
    summary = client.call("GET", "GETCONTENTSUMMARY", f"/{BUCKET}/d")[1]["ContentSummary"]
    assert (summary["directoryCount"], summary["fileCount"], summary["length"]) == (2, 2, 10)
    batch = client.call("GET", "LISTSTATUS_BATCH", f"/{BUCKET}/d")[1]["DirectoryListing"]
    assert [entry["pathSuffix"] for entry in batch["partialListing"]["FileStatuses"]["FileStatus"]] == ["1", "e"]
    assert exception(client.call("POST", "APPEND", f"/{BUCKET}/d/1")) == (400, "UnsupportedOperationException")


def test_the_mount_table_has_every_bucket_there_is(client: Client) -> None:
    client.s3.create_bucket(Bucket="younger.bucket")

    listing = client.call("GET", "LISTSTATUS", "/.mount-tables")[1]["FileStatuses"]["FileStatus"]
    _, table = client.call("GET", "OPEN", f"/.mount-tables/{listing[0]['pathSuffix']}")

    assert listing[0]["length"] == len(table)
    for bucket in (BUCKET, "younger.bucket"):
        name = f"<name>fs.viewfs.mounttable.{bucket}.linkFallback</name>"
        assert f"{name}<value>webhdfs://{client.authority}/{bucket}</value>" in table.decode()
