"""Run the local endpoint in tests: real HTTP, real state machines, scripted job runs and sessions, injected faults.

As a context manager::

    from airflow_emrs_ext.local.testing import ScriptedAttempt, local_emr

    with local_emr() as emr:
        emr.script(attempts=[ScriptedAttempt(succeeded=False, details="boom"), ScriptedAttempt()])
        client = emr.client("emr-serverless")

As a pytest fixture, with ``pytest_plugins = ["airflow_emrs_ext.local.pytest_plugin"]`` in the top ``conftest.py``::

    def test_my_dag(emr):
        emr.inject("StartJobRun", "throttle", times=3)
        ...
        assert [run["state"] for run in emr.job_runs()] == ["SUCCESS"]

The endpoint is a process of its own and ends with the test process at the latest. This module needs nothing but the
standard library (boto3 for :meth:`LocalEmr.client`); the endpoint's interpreter needs the ``local`` extra.
"""

from __future__ import annotations

import contextlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

from airflow_emrs_ext.local.processes.endpoint import LocalEmrError, endpoint_process, opener_for
from airflow_emrs_ext.local.runners.scripts import Script, ScriptedAttempt, ScriptedSession

__all__ = ["Fault", "LocalEmr", "LocalEmrError", "Script", "ScriptedAttempt", "ScriptedSession", "local_emr"]

Fault = Literal["throttle", "error", "reset", "delay", "drop", "stall"]
"""What :meth:`LocalEmr.inject` does to calls."""

_REQUEST_SECONDS = 60


class LocalEmr:
    """A running local endpoint, seen from a test.

    :param url: where it is, as its ``ready`` line says
    :param region: the Region that clients are given
    :param s3_endpoint: the S3 endpoint that Spark uses, when it is not the endpoint itself
    :param settings: what :meth:`reset` leads back to: fields of
        :class:`~airflow_emrs_ext.local.base.config.ServiceConfig`; default: what the endpoint was started with
    """

    def __init__(
        self,
        url: str,
        *,
        region: str = "us-east-1",
        s3_endpoint: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.url: str = url.rstrip("/")
        self.region = region
        self.s3_endpoint = s3_endpoint
        self._settings = dict(settings or {})
        self._opener = opener_for(self.url)

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables that send every AWS client to the endpoint and nowhere else."""
        variables = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        if self.s3_endpoint:
            variables["AWS_ENDPOINT_URL_S3"] = self.s3_endpoint
        return variables

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of any service, bound to the endpoint.

        :param service: boto3's name of the service, e.g. ``emr-serverless`` or ``s3``
        :param options: further arguments of ``boto3.session.Session.client``
        """
        import boto3.session

        from airflow_emrs_ext.shared.service_model import extend

        session: Any = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=self.region
        )
        url = self.s3_endpoint if service == "s3" and self.s3_endpoint else self.url
        return extend(session, service).client(service, **{"endpoint_url": url, **options})

    def script(
        self,
        attempts: Sequence[ScriptedAttempt] = (),
        name: str = "*",
        *,
        session: ScriptedSession | None = None,
        times: int | None = None,
    ) -> None:
        """Say what simulated job runs, steps and sessions do that are started from now on; the script given last wins.

        A job run that Airflow's retry of a task starts is another one, with attempts of its own: with ``times=1`` the
        first fails, and the next does what the scripts before say, or ends well.

        :param attempts: attempt ``n`` of a job run does what entry ``n`` says; the last entry repeats; a step has one
        :param name: pattern as in a shell for names of job runs, steps, sessions and managed endpoints; default: all
        :param session: what a session or managed endpoint does
        :param times: how many job runs, steps and sessions the script is for, the next ones; ``None``: all
        """
        script = Script(attempts=tuple(attempts), session=session, name=name, times=times)
        self._call("POST", "scripts", script.as_dict())

    def finish(self, job_run_id: str, *, succeeded: bool = True, details: str = "", after: float = 0.0) -> None:
        """End the simulated attempt that runs, whatever its script says.

        :param job_run_id: the job run or step
        :param succeeded: whether its driver exits with status 0
        :param details: sentence for ``stateDetails``
        :param after: seconds until then; this returns at once
        """
        body = {"jobRunId": job_run_id, "succeeded": succeeded, "details": details, "after": after}
        self._call("POST", "finish", body)

    def write(self, job_run_id: str, *, stdout: str = "", stderr: str = "") -> None:
        """Let the driver of the simulated attempt that runs print something, beside what its script says.

        :param job_run_id: the job run or step
        :param stdout: on its standard output
        :param stderr: on its standard error
        """
        self._call("POST", "write", {"jobRunId": job_run_id, "stdout": stdout, "stderr": stderr})

    def end_session(self, session_id: str, details: str = "", *, succeeded: bool = False) -> None:
        """End the driver of a simulated session or managed endpoint, without anybody having asked for it.

        :param session_id: the session or managed endpoint
        :param details: sentence for ``stateDetails``
        :param succeeded: whether it is TERMINATED then; default: it is FAILED, or TERMINATED_WITH_ERRORS
        """
        self._call("POST", f"sessions/{session_id}/end", {"succeeded": succeeded, "details": details})

    def hold_session_busy(self, session_id: str, busy: bool = True) -> None:
        """Keep a session BUSY, as if a client's call were under way, or let it become IDLE again.

        :param session_id: the session, or a managed endpoint, which has no such states but an idle timeout
        :param busy: whether to keep it or to let go
        """
        self._call("PUT" if busy else "DELETE", f"sessions/{session_id}/busy")

    def inject(
        self,
        operation: str,
        fault: Fault,
        *,
        times: int | None = 1,
        seconds: float | None = None,
        status: int | None = None,
        code: str | None = None,
        application_id: str | None = None,
        after: int = 0,
        service: str | None = None,
    ) -> None:
        """Make calls of an operation fail.

        :param operation: operation of the API, e.g. ``StartJobRun``, or ``*`` for all
        :param fault: ``throttle`` answers as past a quota; ``error`` answers a server error; ``reset`` closes the
            connection before the call has an effect; ``drop`` closes it ``seconds`` after it, without an answer;
            ``delay`` answers ``seconds`` later; ``stall`` never answers and closes the connection after ``seconds``
        :param times: how many calls; ``None``: until :meth:`clear_faults`
        :param seconds: for ``delay`` (default 1), ``stall`` (default 3600) and ``drop`` (default 0)
        :param status: HTTP status for ``error``; default 500
        :param code: error code for ``error``, e.g. ``ServiceQuotaExceededException``; its status is then the API's own
        :param application_id: only calls for this application, virtual cluster or cluster
        :param after: how many calls pass before the first that fails
        :param service: only calls of this service, e.g. ``emr-containers``; default: of every one with the operation
        """
        optional = {
            "seconds": seconds,
            "status": status,
            "code": code,
            "application_id": application_id,
            "service": service,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        self._call("POST", "faults", {"operation": operation, "fault": fault, "times": times, "after": after, **given})

    def faults(self, application_id: str | None = None) -> list[dict[str, Any]]:
        """The injected faults that are still to hit a call.

        :param application_id: only those that are for one application, virtual cluster or cluster
        """
        return [one for one in self._known("faults", "faults") if application_id in (None, one["application_id"])]

    def clear_faults(self, application_id: str | None = None) -> None:
        """Forget every injected fault.

        :param application_id: only those that are for one application, virtual cluster or cluster
        """
        self._call("DELETE", "faults", applicationId=application_id)

    def configure(self, **settings: Any) -> dict[str, Any]:
        """Change settings of the service while it runs.

        :param settings: fields of :class:`~airflow_emrs_ext.local.base.config.ServiceConfig`, e.g.
            ``seconds_per_minute``
        :return: every setting
        """
        changed: dict[str, Any] = self._call("PATCH", "config", settings)
        return changed

    def set_callers(self, callers: Mapping[str, Any] | None) -> None:
        """Check each call of EMR against the IAM policies of its caller, from now on.

        :param callers: access key id to ``{"arn": …, "policy": …}``, as in the file of ``iam``; ``None``: everybody may
            do everything
        :raises LocalEmrError: something in it is not understood; the callers stay those that they were
        """
        self._call("DELETE" if callers is None else "PUT", "iam", callers)

    def job_runs(self, application_id: str | None = None) -> list[dict[str, Any]]:
        """Every job run with all that the endpoint recorded of it, oldest first.

        :param application_id: only those of one application
        """
        return self._known("job-runs", "jobRuns", applicationId=application_id)

    def applications(self) -> list[dict[str, Any]]:
        """Every application with all that the endpoint recorded of it, oldest first."""
        return self._known("applications", "applications")

    def sessions(self, application_id: str | None = None) -> list[dict[str, Any]]:
        """Every session with all that the endpoint recorded of it, oldest first.

        :param application_id: only those of one application
        """
        return self._known("sessions", "sessions", applicationId=application_id)

    def virtual_clusters(self) -> list[dict[str, Any]]:
        """Every virtual cluster with all that the endpoint recorded of it, oldest first."""
        return self._known("eks/virtual-clusters", "virtualClusters")

    def eks_job_runs(self, virtual_cluster_id: str | None = None) -> list[dict[str, Any]]:
        """Every EMR on EKS job run with all that the endpoint recorded of it, oldest first.

        :param virtual_cluster_id: only those of one virtual cluster
        """
        return self._known("eks/job-runs", "jobRuns", virtualClusterId=virtual_cluster_id)

    def managed_endpoints(self, virtual_cluster_id: str | None = None) -> list[dict[str, Any]]:
        """Every managed endpoint with all that the endpoint recorded of it, oldest first.

        :param virtual_cluster_id: only those of one virtual cluster
        """
        return self._known("eks/managed-endpoints", "managedEndpoints", virtualClusterId=virtual_cluster_id)

    def clusters(self) -> list[dict[str, Any]]:
        """Every EMR on EC2 cluster with all that the endpoint recorded of it, oldest first."""
        return self._known("ec2/clusters", "clusters")

    def cluster_sessions(self, cluster_id: str | None = None) -> list[dict[str, Any]]:
        """Every session of EMR on EC2 clusters with all that the endpoint recorded of it, oldest first.

        :param cluster_id: only those of one cluster
        """
        return self._known("ec2/sessions", "sessions", clusterId=cluster_id)

    def steps(self, cluster_id: str | None = None) -> list[dict[str, Any]]:
        """Every step of EMR on EC2 clusters with all that the endpoint recorded of it, oldest first.

        :param cluster_id: only those of one cluster
        """
        return self._known("ec2/steps", "steps", clusterId=cluster_id)

    def calls(
        self, operation: str | None = None, *, application_id: str | None = None, service: str | None = None
    ) -> list[dict[str, Any]]:
        """Every EMR API call that reached the endpoint, oldest first: operation, status, error code, ids, key id.

        :param operation: only those of one operation
        :param application_id: only those for one application, virtual cluster or cluster
        :param service: only those of one service, e.g. ``emr-containers``
        """
        return self._known("calls", "calls", operation=operation, applicationId=application_id, service=service)

    def reset(self) -> None:
        """Stop what runs and forget all: applications, their work, scripts, faults, calls, settings, S3 objects."""
        self._call("POST", "reset")
        if self._settings:
            self.configure(**self._settings)

    def _known(self, path: str, member: str, **query: str | None) -> list[dict[str, Any]]:
        known: list[dict[str, Any]] = self._call("GET", path, **query)[member]
        return known

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None, /, **query: str | None) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        url = f"{self.url}/_emrs/{quote(path)}" + (f"?{urlencode(given)}" if given else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
        try:
            with self._opener.open(request, timeout=_REQUEST_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            answer = error.read().decode(errors="replace")
            with contextlib.suppress(ValueError, KeyError, TypeError):
                answer = json.loads(answer)["message"]
            raise LocalEmrError(f"{method} {url}: {error.code} {answer}") from None


@contextlib.contextmanager
def local_emr(
    runner: Literal["simulated", "spark"] = "simulated",
    *,
    runtime: str = "release",
    jars_dir: Path | str | None = None,
    repositories: Sequence[str] = (),
    quota_scale: float = 0,
    host: str = "127.0.0.1",
    port: int = 0,
    state_dir: Path | str | None = None,
    tls_port: int | None = None,
    sessions_port: int = 0,
    s3_endpoint: str | None = None,
    iam: Path | str | None = None,
    start_seconds: float = 60,
    allowed_hosts: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
    moto_api: bool = False,
    **settings: Any,
) -> Iterator[LocalEmr]:
    """A local endpoint in a process of its own, for as long as the context lasts.

    :param runner: ``simulated`` (no Java, scripted job runs) or ``spark`` (real ones)
    :param runtime: with ``spark``: ``release``, the Spark of each release label if it is on this machine, or a line
        such as ``4.1`` for all
    :param jars_dir: with ``spark``: where the jars of the service's images are that jobs name; default: nowhere
    :param repositories: with ``spark``: URLs of the Maven repositories for ``--packages`` of jobs; default: none
    :param quota_scale: factor on the service's API quotas; default 0: none
    :param host: address to bind
    :param port: port to bind; default 0: a free one
    :param state_dir: where the endpoint keeps its files and its state, for the next one to go on with; default: a
        directory that is removed at the end
    :param tls_port: port that speaks TLS, too, and makes sessions speak it; clients trust ``tls/ca.pem`` in
        ``state_dir``; default: none
    :param sessions_port: port of Spark Connect; default 0: a free one
    :param s3_endpoint: another S3 for Spark and the logs instead of the endpoint's own
    :param iam: a JSON file with callers and their IAM policies, against which each call of EMR is checked; default:
        everybody may do everything
    :param start_seconds: how long to wait for it to be ready
    :param allowed_hosts: host names under which it answers, beside ``localhost``, all below that, and addresses
    :param allowed_origins: origins whose web pages may use it, e.g. ``http://localhost:3000``; default: none
    :param moto_api: whether moto's own control paths, ``/moto-api/``, are answered; default: they are not
    :param settings: fields of :class:`~airflow_emrs_ext.local.base.config.ServiceConfig`, e.g.
        ``seconds_per_minute=0.05``
    :raises LocalEmrError: it did not become ready; the error carries the end of its log
    """
    arguments = ["--host", host, "--port", str(port), "--runner", runner, "--quota-scale", str(quota_scale)]
    arguments += ["--runtime", runtime]
    if jars_dir is not None:
        arguments += ["--jars-dir", str(jars_dir)]
    for repository in repositories:
        arguments += ["--repository", repository]
    if state_dir is not None:
        arguments += ["--state-dir", str(state_dir)]
    if tls_port is not None:
        arguments += ["--tls-port", str(tls_port)]
    arguments += ["--sessions-port", str(sessions_port)]
    if s3_endpoint is not None:
        arguments += ["--s3-endpoint", s3_endpoint]
    if iam is not None:
        arguments += ["--iam", str(iam)]
    for name in allowed_hosts:
        arguments += ["--allowed-host", name]
    for origin in allowed_origins:
        arguments += ["--allowed-origin", origin]
    if moto_api:
        arguments.append("--moto-api")
    with endpoint_process(arguments, start_seconds=start_seconds, with_aws=s3_endpoint is not None) as process:
        emr = LocalEmr(process.url, s3_endpoint=s3_endpoint, settings=settings)
        if settings:
            emr.configure(**settings)
        yield emr
