"""Files that a job names, on S3 and on this machine."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.runners.spark.staging import copy_files, read_text, require, unpack_archives
from airflow_emrs_ext.local.runners.spark.submit import SubmitError
from airflow_emrs_ext.local.testing import LocalEmr


@pytest.fixture
def target(emr: LocalEmr) -> AwsTarget:
    target = AwsTarget(emr.url)
    target.client("s3").create_bucket(Bucket="staging")
    return target


def put(target: AwsTarget, key: str, body: bytes) -> str:
    target.client("s3").put_object(Bucket="staging", Key=key, Body=body)
    return f"s3://staging/{key}"


def packed(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_what_exists_is_accepted(target: AwsTarget, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("")

    require("entryPoint", put(target, "a b#?.py", b"x"), target)
    require("entryPoint", str(tmp_path / "job.py"), target)
    require("entryPoint", (tmp_path / "job.py").as_uri(), target)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3://staging/missing.py", "entryPoint s3://staging/missing.py does not exist"),
        ("s3a://no-such-bucket/job.py", "entryPoint s3a://no-such-bucket/job.py does not exist"),
        ("/no/such/job.py", "entryPoint /no/such/job.py does not exist on this machine"),
    ],
)
def test_what_does_not_exist_is_named(target: AwsTarget, uri: str, message: str) -> None:
    with pytest.raises(SubmitError, match=message):
        require("entryPoint", uri, target)


def test_an_s3_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(SubmitError, match=r"entryPoint s3://b/job\.py cannot be read: Could not connect"):
        require("entryPoint", "s3://b/job.py", AwsTarget("http://127.0.0.1:9"))


def test_query_files(target: AwsTarget) -> None:
    assert read_text("query", put(target, "q.sql", "SELECT 'ü'".encode()), target) == "SELECT 'ü'"
    with pytest.raises(SubmitError, match="is not UTF-8 text"):
        read_text("query", put(target, "bad.sql", b"\xff\xfe"), target)


def test_archives_are_unpacked_into_the_directory_after_the_hash(target: AwsTarget, tmp_path: Path) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("data.txt", "zip")
    first = put(target, "environment.tar.gz", packed("bin/python", b"tar"))
    second = put(target, "data.zip", zipped.getvalue())

    unpack_archives(f"{first}#environment, {second}", tmp_path, target)

    assert (tmp_path / "environment" / "bin" / "python").read_text() == "tar"
    assert (tmp_path / "data.zip" / "data.txt").read_text() == "zip"


def test_files_are_copied_under_their_name_or_the_one_after_the_hash(target: AwsTarget, tmp_path: Path) -> None:
    first, second = put(target, "x/a.txt", b"a"), put(target, "b.txt", b"b")

    copy_files(f"{first},{second}#c.txt", tmp_path, target)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.txt": b"a", "c.txt": b"b"}
    with pytest.raises(SubmitError, match=r"spark\.files s3://staging/none does not exist"):
        copy_files("s3://staging/none", tmp_path, target)


def test_no_archive_and_no_way_out(target: AwsTarget, tmp_path: Path) -> None:
    with pytest.raises(SubmitError, match="is no archive"):
        unpack_archives(put(target, "text.tar.gz", b"text"), tmp_path, target)
    with pytest.raises(SubmitError, match="leads out of the working directory"):
        unpack_archives(put(target, "x.tar.gz", packed("a", b"a")) + "#../../x", tmp_path, target)
