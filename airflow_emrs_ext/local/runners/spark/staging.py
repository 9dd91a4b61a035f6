"""Brings what a job names by URI to the driver's working directory, and checks that it is there at all."""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.runners.spark.submit import SubmitError

_S3_SCHEMES = ("s3", "s3a", "s3n")
_PATTERN = re.compile(r"[*?\[{]")


def require(parameter: str, uri: str, target: AwsTarget) -> None:
    """Check that a file exists.

    :param parameter: the parameter that names it, for the message
    :param uri: ``s3://`` or ``file:`` URI, or a plain path; anything else is left to Spark
    :param target: where S3 is
    :raises SubmitError: it does not exist or cannot be reached
    """
    from botocore.exceptions import BotoCoreError, ClientError

    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        if not Path(parts.path).is_file():
            raise SubmitError(f"{parameter} {uri} does not exist on this machine")
    elif parts.scheme in _S3_SCHEMES:
        try:
            target.client("s3").head_object(Bucket=parts.netloc, Key=_key(uri))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("403", "AccessDenied"):
                raise SubmitError(
                    "S3 access is denied. Please check S3 access permissions of the job runtime role on the "
                    f"required S3 resources. ({parameter} {uri})"
                ) from None
            if code not in ("404", "NoSuchKey", "NoSuchBucket"):
                raise SubmitError(f"{parameter} {uri} cannot be read: {error}") from None
            raise SubmitError(f"{parameter} {uri} does not exist") from None
        except BotoCoreError as error:
            raise SubmitError(f"{parameter} {uri} cannot be read: {error}") from None


def read_text(parameter: str, uri: str, target: AwsTarget) -> str:
    """The content of a text file.

    :param parameter: the parameter that names it, for the message
    :param uri: ``s3://`` or ``file:`` URI, or a plain path
    :param target: where S3 is
    :raises SubmitError: it does not exist, cannot be read or is not UTF-8
    """
    require(parameter, uri, target)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return _fetch(uri, Path(scratch), target).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise SubmitError(f"{parameter} {uri} is not UTF-8 text") from None


def unpack_archives(archives: str, directory: Path, target: AwsTarget) -> None:
    """Unpack archives as the service does: each into the directory that follows its ``#``.

    Spark in local mode unpacks them where only ``SparkFiles`` finds them, but the usual packed Python environment
    is reached by ``./environment/bin/python``.

    :param archives: the value of ``spark.archives``: comma-separated URIs
    :param directory: the driver's working directory
    :param target: where S3 is
    :raises SubmitError: an archive does not exist or is no archive
    """
    for entry in filter(None, (word.strip() for word in archives.split(","))):
        uri, _, name = entry.partition("#")
        require("spark.archives", uri, target)
        destination = directory / (name or Path(urlsplit(uri).path).name)
        if not destination.resolve().is_relative_to(directory.resolve()):
            raise SubmitError(f"spark.archives {entry}: the name after # leads out of the working directory")
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            archive = _fetch(uri, Path(scratch), target)
            try:
                if zipfile.is_zipfile(archive):
                    with zipfile.ZipFile(archive) as opened:
                        opened.extractall(destination)
                else:
                    with tarfile.open(archive) as packed:
                        # The interpreter of a packed environment is a link to a place outside.
                        packed.extractall(destination, filter="fully_trusted")
            except (zipfile.BadZipFile, tarfile.TarError) as error:
                raise SubmitError(f"spark.archives {uri} is no archive: {error}") from None


def stage(properties: Mapping[str, str], directory: Path, target: AwsTarget) -> None:
    """Bring everything that the properties of a job name to its working directory.

    :param properties: ``spark.files``, ``spark.archives``, ``spark.jars`` and ``spark.submit.pyFiles`` among them
    :param directory: the working directory
    :param target: where S3 is
    :raises SubmitError: something cannot be read
    """
    for name in ("spark.jars", "spark.submit.pyFiles"):
        for uri in filter(None, (word.strip() for word in properties.get(name, "").split(","))):
            # Spark logs that it skips what is not there, or fails without its name; and patterns are its own.
            if not _PATTERN.search(uri):
                require(name, uri.removeprefix("local://").removeprefix("local:"), target)
    copy_files(properties.get("spark.files", ""), directory, target)
    unpack_archives(properties.get("spark.archives", ""), directory, target)


def copy_files(files: str, directory: Path, target: AwsTarget) -> None:
    """Put files where the service puts them: into the working directory, under the name after ``#`` if there is one.

    :param files: the value of ``spark.files``: comma-separated URIs
    :param directory: the driver's working directory
    :param target: where S3 is
    :raises SubmitError: a file does not exist
    """
    for entry in filter(None, (word.strip() for word in files.split(","))):
        uri, _, name = entry.partition("#")
        require("spark.files", uri, target)
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            shutil.copyfile(_fetch(uri, Path(scratch), target), directory / Path(name or urlsplit(uri).path).name)


def _fetch(uri: str, directory: Path, target: AwsTarget) -> Path:
    parts = urlsplit(uri)
    if parts.scheme not in _S3_SCHEMES:
        return Path(parts.path)
    local = directory / "fetched"
    with local.open("wb") as file:
        shutil.copyfileobj(target.client("s3").get_object(Bucket=parts.netloc, Key=_key(uri))["Body"], file, 1 << 20)
    return local


def _key(uri: str) -> str:
    # Not urlsplit's path: "#" and "?" are ordinary characters of a key.
    return uri.split("://", 1)[1].partition("/")[2]
