"""Files of a job run that are beside the DAG file: put on S3 before the job run is submitted."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext.core.values import parsed
from airflow_emrs_ext.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow_emrs_ext.hooks.base import EmrHook

# The members of each driver that name one file, and the one with its options.
_FILES = ("entryPoint", "query", "initQueryFile")
_PARAMETERS = ("sparkSubmitParameters", "sparkSqlParameters")
# The options that name files.
_OPTIONS = ("--py-files", "--jars", "--files", "--archives")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PLACE = re.compile(r"s3[an]?://([^/]+)/?(.*)")
# The first time that a ZIP file can say, so that the same folder makes the same file.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def with_uploaded(job_driver: Any, folder: Path, artifacts: str | None, hook: EmrHook, log: Any) -> Any:
    """A job driver with the S3 URIs of its local files, which are put there.

    Local are relative paths: anything else is an URI, or a path in the image. A folder of Python modules
    (``--py-files``) is put there as a ZIP file. Options that are given as text are left as they are.

    :param job_driver: as rendered
    :param folder: of the DAG file
    :param artifacts: S3 URI of the folder for them; ``None``: there may be none
    :raises ConfigurationError: there is a local file and no ``artifacts``, or there is no such file
    """
    given = parsed(job_driver) if isinstance(job_driver, str) else job_driver
    if not isinstance(given, Mapping):
        return job_driver
    upload = _uploader(folder, artifacts, hook, log)
    return {name: _with_files(driver, f"job_driver.{name}", upload) for name, driver in given.items()}


Upload = Callable[[str, str], str]


def _with_files(driver: Any, path: str, upload: Upload) -> Any:
    if not isinstance(driver, Mapping):
        return driver
    found = dict(driver)
    for member in _FILES:
        if isinstance(found.get(member), str):
            found[member] = upload(found[member], f"{path}.{member}")
    for member in _PARAMETERS:
        if isinstance(options := found.get(member), Mapping):
            found[member] = {
                option: _each(value, f"{path}.{member}.{option}", upload) if option in _OPTIONS else value
                for option, value in options.items()
            }
    return found


def _each(value: Any, path: str, upload: Upload) -> Any:
    if isinstance(value, str) and (several := parsed(value)) is not None:
        value = several
    if isinstance(value, str):
        return ",".join(upload(one.strip(), path) for one in value.split(","))
    if isinstance(value, Sequence):
        return [upload(one, path) if isinstance(one, str) else one for one in value]
    return value


def _uploader(folder: Path, artifacts: str | None, hook: EmrHook, log: Any) -> Upload:
    place = None if artifacts is None else _PLACE.fullmatch(artifacts)
    if artifacts is not None and place is None:
        raise ConfigurationError(f"`artifacts` is {artifacts!r}; it takes the S3 URI of a folder: s3://bucket/prefix.")

    def upload(value: str, path: str) -> str:
        # The query of a Hive job run may be its text.
        is_text = path.endswith(".query") and len(value.split()) > 1
        if not value or is_text or _SCHEME.match(value) or value.startswith("/"):
            return value
        name, hash_mark, alias = value.partition("#")
        file = folder / name
        if place is None:
            if not _exists(file):
                return value  # a path in the image, perhaps
            raise ConfigurationError(
                f"`{path}` is {value!r}, a file beside the DAG file, which the service cannot see: give `artifacts`, "
                "the S3 URI of a folder to put it in."
            )
        from airflow_emrs_ext.aws.artifacts import key_of, put_once

        data, name = _content(file, value, path)
        bucket, key = place[1], key_of(place[2], name, data)
        uri = f"s3://{bucket}/{key}"
        put = hook.run(put_once(hook.run_context, bucket=bucket, key=key, data=data))
        log.info("%s: %s %s", value, "uploaded to" if put else "is there already, as", uri)
        return f"{uri}{hash_mark}{alias}"

    return upload


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except (OSError, ValueError):  # what can be no name of a file
        return False


def _content(file: Path, value: str, path: str) -> tuple[bytes, str]:
    """What is to be put on S3, and its name."""
    if _exists(file) and file.is_file():
        return file.read_bytes(), file.name
    if _exists(file) and file.is_dir() and path.endswith("--py-files"):
        return _zipped(file), f"{file.name}.zip"
    kind = "a folder" if _exists(file) else "no file"
    raise ConfigurationError(
        f"`{path}` is {value!r}: {file} is {kind}. It takes an S3 URI, a path in the image that begins with a slash, "
        "or a file by its path from the folder of the DAG file."
    )


def _zipped(folder: Path) -> bytes:
    """A folder of Python modules as a ZIP file from which it can be imported; the same bytes for the same content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _modules(folder):
            info = zipfile.ZipInfo(str(file.relative_to(folder.parent)), _EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, file.read_bytes())
    return buffer.getvalue()


def _modules(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
            yield file
