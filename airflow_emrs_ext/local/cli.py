"""The command ``emrs-local``, also ``python -m airflow_emrs_ext.local``."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import ipaddress
import logging
import math
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO
from urllib.parse import urlsplit

from airflow_emrs_ext.local import client_cli
from airflow_emrs_ext.local.processes.endpoint import DEFAULT_PORT, EXIT_WITH_PARENT_VARIABLE, port_number

if TYPE_CHECKING:
    from airflow_emrs_ext.local.server.endpoint import Options

LOG_LEVEL_VARIABLE = "EMRS_LOCAL_LOG_LEVEL"
"""Environment variable with the level of the log on standard error; default: INFO."""

_COMMANDS = {
    "airflow": "an Airflow of your own with this endpoint, a folder of DAG files and its web UI",
    **client_cli.COMMANDS,
    "runtimes": "list and install the versions of Spark that releases have",
}

_NEEDED = ("a2wsgi", "moto", "starlette", "uvicorn")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the local endpoint until SIGTERM or Ctrl-C.

    :param arguments: default: those of the command line
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in _COMMANDS:
        raise SystemExit(_run_command(given[0], given[1:]))
    parsed = endpoint_parser().parse_args(given)
    _check_extra()
    stdout = _keep_stdout_clean()
    _log_to_stderr()
    _warn(parsed)

    from airflow_emrs_ext.local.runners.spark.java import MissingRuntime
    from airflow_emrs_ext.local.server.endpoint import Options
    from airflow_emrs_ext.local.server.iam import IamError
    from airflow_emrs_ext.local.server.kept_state import StateError
    from airflow_emrs_ext.local.server.serve import PortTakenError

    options = Options(**vars(parsed), exit_with_parent=bool(os.environ.pop(EXIT_WITH_PARENT_VARIABLE, "")))

    def ready(url: str) -> None:
        print(f"ready {url}", file=stdout, flush=True)

    try:
        asyncio.run(_serve_and_leave(options, ready))
    except PortTakenError as error:
        _fail(f"{error} is taken: choose another --port, --tls-port or --sessions-port, or 0 for a free one")
    except IamError as error:
        _fail(f"--iam {error}")
    except MissingRuntime as error:
        _fail(str(error))
    except StateError as error:
        _fail(f"--state-dir: {error}")
    except OSError as error:
        if error.filename is not None:
            _fail(f"--state-dir: {error.strerror}: {error.filename}")
        _fail(f"cannot serve on {options.host}:{options.port}: {error.strerror or error}; see --host and --port")


def _run_command(command: str, arguments: Sequence[str]) -> int:
    """Run one of the commands beside the endpoint itself; the exit status."""
    if command == "runtimes":
        from airflow_emrs_ext.local import runtimes_cli

        return runtimes_cli.main(arguments)
    if command == "airflow":
        from airflow_emrs_ext.local import airflow_cli

        return airflow_cli.main(arguments, endpoint_parser(), _warn)
    return client_cli.main(command, arguments)


async def _serve_and_leave(options: Options, ready: Callable[[str], None]) -> NoReturn:
    from airflow_emrs_ext.local.server.serve import serve

    await serve(options, ready)
    # A thread may be in a long poll of another service, or wait for an S3 that does not answer; the event loop and the
    # interpreter would wait for it.
    logging.shutdown()
    os._exit(0)


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Says defaults, and leaves the list of commands as it is."""


def endpoint_parser() -> argparse.ArgumentParser:
    """The options of the endpoint."""
    commands = "\n".join(f"  emrs-local {name:<9} {what}" for name, what in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="emrs-local",
        description="A local Amazon EMR Serverless endpoint with real Spark; moto answers for every other AWS service.",
        epilog=f"beside the endpoint, each with a --help of its own:\n{commands}",
        formatter_class=_HelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind")
    parser.add_argument("--port", type=port_number, default=DEFAULT_PORT, help="port to bind; 0 picks a free one")
    parser.add_argument(
        "--runner", choices=("spark", "simulated"), default="spark", help="run jobs on Spark, or by script without Java"
    )
    parser.add_argument(
        "--runtime",
        default="release",
        metavar="VERSION",
        help="the Spark of each job run's release label, or one for all, such as 4.1; see `emrs-local runtimes`",
    )
    parser.add_argument(
        "--jars-dir",
        type=_directory,
        metavar="DIR",
        help="jars of the service's images: Iceberg, Delta, …",
    )
    parser.add_argument(
        "--repository",
        dest="repositories",
        action="append",
        default=[],
        metavar="URL",
        help="Maven repository for --packages of jobs; may be repeated",
    )
    parser.add_argument(
        "--quota-scale", type=_scale, default=1.0, metavar="FACTOR", help="factor on the API quotas; 0 turns them off"
    )
    parser.add_argument(
        "--account-vcpus",
        type=_scale,
        default=16.0,
        metavar="N",
        help="vCPUs that the account may use at once; default: 16, as a new account of AWS",
    )
    parser.add_argument(
        "--iam",
        type=Path,
        metavar="FILE",
        help="check each call of EMR against the IAM policies of its caller, which this JSON file has",
    )
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="take and log what AWS refuses by its user guide; says at the start what that is",
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="keep applications, job runs, logs, S3 objects and dashboards here; the next endpoint goes on with them",
    )
    parser.add_argument(
        "--tls-port",
        type=port_number,
        metavar="PORT",
        help="speak TLS at this port, too, and to clients of sessions; the log says what they have to trust",
    )
    parser.add_argument(
        "--sessions-port",
        type=port_number,
        default=0,
        metavar="PORT",
        help="port of Spark Connect, such as 443 where that is allowed; 0 picks a free one",
    )
    parser.add_argument(
        "--s3-endpoint", type=_http_url, metavar="URL", help="another S3 for Spark and the logs than the endpoint's own"
    )
    parser.add_argument(
        "--allowed-host",
        dest="allowed_hosts",
        action="append",
        default=[],
        metavar="NAME",
        help="answer under this host name, too, and under all below it; may be repeated",
    )
    parser.add_argument(
        "--allowed-origin",
        dest="allowed_origins",
        action="append",
        default=[],
        type=_origin,
        metavar="ORIGIN",
        help="let the web pages of this origin use the endpoint (CORS); may be repeated",
    )
    parser.add_argument("--moto-api", action="store_true", help="answer moto's own control paths, /moto-api/, too")
    return parser


def _directory(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"must be a folder, not {text!r}")
    return Path(text).resolve()


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0 <= scale < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, not {text!r}")
    return scale


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise argparse.ArgumentTypeError(f"must be a URL such as http://127.0.0.1:9000, not {text!r}")
    return text.rstrip("/")


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc or text != f"{parts.scheme}://{parts.netloc}":
        raise argparse.ArgumentTypeError(f"must be an origin such as http://localhost:3000, not {text!r}")
    return text


def _check_extra() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        _fail(f"{', '.join(missing)} missing: pip install 'airflow-emrs-ext[local]'")


def _log_to_stderr() -> None:
    level = os.environ.get(LOG_LEVEL_VARIABLE, "INFO").upper()
    if level not in _LOG_LEVELS:
        _fail(f"{LOG_LEVEL_VARIABLE}={level} must be one of {', '.join(_LOG_LEVELS)}")
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    for chatty in ("botocore", "uvicorn.error", "werkzeug"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def _keep_stdout_clean() -> TextIO:
    """Keep standard output for the ready line: whatever else is printed, here or by a child, goes to standard error."""
    kept = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return kept


def _warn(parsed: argparse.Namespace) -> None:
    """Say on standard error what the options of an endpoint give up."""
    if not _is_loopback(parsed.host):
        _warn_about(parsed.host)
    if parsed.lenient:
        _say_what_is_off()


def _is_loopback(host: str) -> bool:
    try:
        return all(
            ipaddress.ip_address(info[4][0]).is_loopback
            for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        )
    except OSError as error:
        _fail(f"--host {host}: {error.strerror}")


def _warn_about(host: str) -> None:
    frame = "!" * 79
    print(
        f"{frame}\n"
        f"WARNING: --host {host} lets other machines reach this endpoint. It checks no credentials: whoever\n"
        f"reaches it runs code of their choice on this machine. Use it on a network that you trust.\n"
        f"{frame}",
        file=sys.stderr,
        flush=True,
    )


def _say_what_is_off() -> None:
    from airflow_emrs_ext.local.services.emr_serverless.rules import rules

    print("--lenient switches off, each with a line in the log where AWS would refuse:", file=sys.stderr)
    print(*(f"  {rule}" for rule in rules()), sep="\n", file=sys.stderr, flush=True)


def _fail(message: str) -> NoReturn:
    print(f"emrs-local: {message}", file=sys.stderr)
    raise SystemExit(1)
