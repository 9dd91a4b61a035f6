"""The commands that ask a running endpoint."""

from __future__ import annotations

import gzip
import http.server
import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local import client_cli
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt, local_emr
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/jobs"
DRIVER = {"sparkSubmit": {"entryPoint": "s3://jobs/job.py"}}
LOGS = {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://jobs/logs/"}}}

Run = Callable[..., str]


@pytest.fixture
def run(emr: LocalEmr, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs a command that succeeds; what it prints."""

    def run(*arguments: str) -> str:
        status = client_cli.main(arguments[0], arguments[1:])
        out, err = capsysbinary.readouterr()
        assert status == 0, err
        return out.decode()

    return run


@pytest.fixture
def refuse(emr: LocalEmr, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs a command that is refused; what it says."""

    def refuse(*arguments: str) -> str:
        status = client_cli.main(arguments[0], arguments[1:])
        out, err = capsysbinary.readouterr()
        assert (status, out) == (1, b"")
        return err.decode()

    return refuse


def put(emr: LocalEmr, **objects: bytes) -> None:
    s3 = emr.client("s3")
    s3.create_bucket(Bucket="bucket")
    for key, body in objects.items():
        s3.put_object(Bucket="bucket", Key=key.replace("__", "/").replace("_", "."), Body=body)


def keys(emr: LocalEmr, bucket: str = "bucket") -> dict[str, bytes]:
    s3 = emr.client("s3")
    found = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestRm:
    def test_an_object_or_all_below_a_folder(self, run: Run, emr: LocalEmr) -> None:
        put(emr, a=b"1", ab=b"2", folder__x=b"3", folder__y=b"4", folder_txt=b"5")
        assert run("rm", "s3://bucket/a") == "removed s3://bucket/a\n"
        assert run("rm", "s3://bucket/folder/") == "removed s3://bucket/folder/x\nremoved s3://bucket/folder/y\n"
        assert sorted(keys(emr)) == ["ab", "folder.txt"]

    @pytest.mark.parametrize("uri", ["s3://bucket/fold", "s3://bucket/folder", "s3://bucket", "s3://bucket/none/"])
    def test_what_is_no_object_is_refused(self, refuse: Run, emr: LocalEmr, uri: str) -> None:
        put(emr, folder__x=b"3")
        assert "with a slash at its end it is all below it" in refuse("rm", uri)
        assert list(keys(emr)) == ["folder/x"]


class TestCp:
    def test_a_file_goes_to_a_key_or_below_a_prefix(self, run: Run, emr: LocalEmr, tmp_path: Path) -> None:
        file = tmp_path / "job.py"
        file.write_bytes(b"print()")
        assert run("cp", str(file), "s3://bucket/other.py") == f"{file} -> s3://bucket/other.py\n"
        for target in ("s3://bucket", "s3://bucket/", "s3://bucket/jobs/"):
            run("cp", str(file), target)
        assert sorted(keys(emr)) == ["job.py", "jobs/job.py", "other.py"]

    def test_a_bucket_that_is_there_stays(self, run: Run, emr: LocalEmr, tmp_path: Path) -> None:
        put(emr, old=b"1")
        (tmp_path / "new").write_bytes(b"2")
        run("cp", str(tmp_path / "new"), "s3://bucket/")
        assert keys(emr) == {"old": b"1", "new": b"2"}

    def test_a_folder_goes_with_all_below_it_and_comes_back(self, run: Run, emr: LocalEmr, tmp_path: Path) -> None:
        source = tmp_path / "jobs"
        (source / "package").mkdir(parents=True)
        (source / "job.py").write_bytes(b"job")
        (source / "package" / "a b.py").write_bytes(b"module")
        for target in ("s3://bucket/jobs", "s3://bucket/again/"):
            run("cp", str(source), target)
        assert sorted(keys(emr)) == ["again/job.py", "again/package/a b.py", "jobs/job.py", "jobs/package/a b.py"]
        for prefix in ("s3://bucket/jobs", "s3://bucket/jobs/"):
            back = tmp_path / str(len(prefix))
            run("cp", prefix, str(back))
            assert files(back) == files(source)

    def test_links_are_followed(
        self, run: Run, emr: LocalEmr, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        for folder in ("jobs", "elsewhere"):
            (tmp_path / folder).mkdir()
        (tmp_path / "elsewhere" / "module.py").write_bytes(b"module")
        (tmp_path / "jobs" / "job.py").write_bytes(b"job")
        (tmp_path / "jobs" / "package").symlink_to("../elsewhere")
        (tmp_path / "jobs" / ".#job.py").symlink_to("somebody@somewhere")
        assert client_cli.main("cp", [str(tmp_path / "jobs"), "s3://bucket/"]) == 0
        assert f"{tmp_path / 'jobs' / '.#job.py'} is left out" in capsysbinary.readouterr().err.decode()
        assert keys(emr) == {"job.py": b"job", "package/module.py": b"module"}

    def test_a_link_that_leads_back_is_named(self, refuse: Run, emr: LocalEmr, tmp_path: Path) -> None:
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "again").symlink_to(".")
        said = refuse("cp", str(tmp_path / "jobs"), "s3://bucket/")
        assert f"{tmp_path / 'jobs' / 'again'} leads back to {tmp_path / 'jobs'}" in said
        assert emr.client("s3").list_buckets()["Buckets"] == []

    def test_a_prefix_is_a_folder(self, run: Run, emr: LocalEmr, tmp_path: Path) -> None:
        put(emr, day__1=b"1", day2__1=b"2")
        run("cp", "s3://bucket/day", str(tmp_path))
        assert files(tmp_path) == {"1": b"1"}

    def test_an_object_comes_to_a_file_or_into_a_folder(self, run: Run, emr: LocalEmr, tmp_path: Path) -> None:
        put(emr, out__part_gz=b"part")
        run("cp", "s3://bucket/out/part.gz", str(tmp_path / "new" / "file"))
        run("cp", "s3://bucket/out/part.gz", str(tmp_path))
        assert files(tmp_path) == {"new/file": b"part", "part.gz": b"part"}

    def test_within_s3(self, run: Run, emr: LocalEmr) -> None:
        put(emr, a__1=b"1", a__2=b"2")
        run("cp", "s3://bucket/a", "s3://copies/b/")
        assert keys(emr, "copies") == {"b/1": b"1", "b/2": b"2"}

    def test_standard_input_and_output(self, run: Run, emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"one\ntwo\n")))
        assert run("cp", "-", "s3://bucket/words.txt") == ""
        assert run("cp", "s3://bucket/words.txt", "-") == "one\ntwo\n"

    def test_what_is_gzipped_stays_so(self, run: Run, emr: LocalEmr, tmp_path: Path) -> None:
        put(emr, log_gz=gzip.compress(b"log"))
        run("cp", "s3://bucket/log.gz", str(tmp_path))
        assert gzip.decompress(files(tmp_path)["log.gz"]) == b"log"

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("a", "b"), "neither a nor b is on S3: one of them has to begin with s3://"),
            (("nothing.py", "s3://bucket/"), "there is nothing at nothing.py"),
            (("s3://bucket/nothing", "."), "there is nothing at s3://bucket/nothing"),
            (("s3://missing/x", "."), "NoSuchBucket"),
            (("https://b/x", "."), "must be s3://bucket/key, not 'https://b/x'"),
            (("s3:///x", "."), "must be s3://bucket/key, not 's3:///x'"),
            (("-", "s3://bucket/jobs/"), "standard input needs the key of an object, not s3://bucket/jobs/"),
        ],
    )
    def test_refused(self, refuse: Run, emr: LocalEmr, arguments: tuple[str, str], said: str) -> None:
        put(emr, there=b"")
        assert said in refuse("cp", *arguments)
        assert keys(emr) == {"there": b""}

    @pytest.mark.parametrize("key", ["a/../../evil", "a//{outside}/evil", "a/link/evil"])
    def test_a_key_does_not_lead_out_of_the_target(
        self, refuse: Run, run: Run, emr: LocalEmr, tmp_path: Path, key: str
    ) -> None:
        inside, outside = tmp_path / "in", tmp_path / "out"
        inside.mkdir()
        outside.mkdir()
        (inside / "link").symlink_to(outside)
        emr.client("s3").create_bucket(Bucket="bucket")
        key = key.format(outside=outside)
        for name in ("a/before", key):
            emr.client("s3").put_object(Bucket="bucket", Key=name, Body=b"1")
        said = refuse("cp", "s3://bucket/a", str(inside))
        assert f"s3://bucket/{key} would be written outside of {inside}" in said
        assert "copy it alone" in said
        assert files(tmp_path) == {}
        run("cp", f"s3://bucket/{key}", str(inside / "alone"))
        assert files(tmp_path) == {"in/alone": b"1"}

    def test_what_would_be_a_file_and_a_folder(self, refuse: Run, emr: LocalEmr, tmp_path: Path) -> None:
        put(emr, d__a=b"", d__x=b"", d__x__y=b"")
        assert f"{tmp_path / 'x'} would be a file and a folder" in refuse("cp", "s3://bucket/d/", str(tmp_path))
        assert files(tmp_path) == {}


def test_ls(run: Run, emr: LocalEmr) -> None:
    put(emr, a__1=b"1", b=b"22")
    assert run("ls") == "s3://bucket/\n"
    lines = run("ls", "s3://bucket").splitlines()
    assert [line.split()[2:] for line in lines] == [["1", "s3://bucket/a/1"], ["2", "s3://bucket/b"]]
    assert len(run("ls", "s3://bucket/a/").splitlines()) == 1


def test_ls_of_nothing(refuse: Run, emr: LocalEmr) -> None:
    put(emr, a=b"")
    assert "there is nothing at s3://bucket/x" in refuse("ls", "s3://bucket/x")


def test_cat_unpacks(run: Run, emr: LocalEmr) -> None:
    put(emr, log_gz=gzip.compress(b"log\n"), out__1=b"1\n", out__2=b"2\n")
    assert run("cat", "s3://bucket/log.gz") == "log\n"
    assert run("cat", "s3://bucket/out/") == "1\n2\n"


@pytest.mark.parametrize("spoil", [lambda data: data[:3000], lambda data: data[:500] + b"x" * 500 + data[1000:]])
def test_cat_of_what_is_spoiled(
    emr: LocalEmr, capsysbinary: pytest.CaptureFixture[bytes], spoil: Callable[[bytes], bytes]
) -> None:
    put(emr, log_gz=spoil(gzip.compress(os.urandom(5000))))
    assert client_cli.main("cat", ["s3://bucket/log.gz"]) == 1
    said = capsysbinary.readouterr().err.decode()
    assert said.startswith("emrs-local cat: s3://bucket/log.gz: ")
    assert "`emrs-local cp s3://bucket/log.gz -` prints it as it is" in said


class TestLogs:
    @pytest.fixture
    def job_runs(self, emr: LocalEmr) -> list[str]:
        """Two of one name, the second with two attempts, and one whose logs are not on S3."""
        emr.client("s3").create_bucket(Bucket="jobs")
        client = emr.client("emr-serverless")
        application_id = client.create_application(releaseLabel="emr-7.9.0", type="SPARK")["applicationId"]
        ids = []
        for attempts, params in (
            ([ScriptedAttempt(stdout="first\n")], {"configurationOverrides": LOGS}),
            (
                [
                    ScriptedAttempt(succeeded=False, stdout="failed\n"),
                    ScriptedAttempt(stdout="second\n", stderr="info\n"),
                ],
                {"configurationOverrides": LOGS, "retryPolicy": {"maxAttempts": 2}},
            ),
            ([ScriptedAttempt()], {"name": "elsewhere"}),
        ):
            emr.script(attempts=attempts)
            common: Any = {"applicationId": application_id, "executionRoleArn": ROLE, "jobDriver": DRIVER}
            ids.append(client.start_job_run(**{"name": "dag.task", **common, **params})["jobRunId"])
            eventually(lambda id_=ids[-1]: state_of(emr, id_) == "SUCCESS")
        return ids

    def test_by_id_by_name_and_of_the_newest(self, run: Run, refuse: Run, emr: LocalEmr, job_runs: list[str]) -> None:
        assert run("logs", job_runs[0]) == "first\n"
        assert run("logs", "dag.task") == run("logs", job_runs[1]) == "failed\nsecond\n"
        assert run("logs", "dag.task", "--stderr") == "info\n"
        for asked in ([], ["elsewhere"]):
            assert f"there is no stdout.gz of {job_runs[2]} on S3" in refuse("logs", *asked)

    def test_the_tenth_attempt_comes_after_the_second(self, run: Run, emr: LocalEmr, job_runs: list[str]) -> None:
        for number in (2, 10):
            key = f"jobs/{job_runs[2]}/attempts/{number}/SPARK_DRIVER/stdout.gz"
            emr.client("s3").put_object(Bucket="jobs", Key=key, Body=gzip.compress(b"%d\n" % number))
        assert run("logs", job_runs[2]) == "2\n10\n"

    def test_of_nothing(self, refuse: Run) -> None:
        assert "there is no job run; `emrs-local status`" in refuse("logs")
        assert "there is no job run or session x; `emrs-local status`" in refuse("logs", "x")

    def test_status_lists_them(self, run: Run, emr: LocalEmr, job_runs: list[str]) -> None:
        (application,) = emr.applications()
        url, first, *others = [line.split() for line in run("status").splitlines()]
        assert url == [emr.url]
        assert first == ["application", application["applicationId"], "STARTED"]
        assert others == [
            ["job", "run", id_, "SUCCESS", name]
            for id_, name in zip(job_runs, ("dag.task", "dag.task", "elsewhere"), strict=True)
        ]


def state_of(emr: LocalEmr, job_run_id: str) -> str:
    return next(run["state"] for run in emr.job_runs() if run["jobRunId"] == job_run_id)


class TestWhereTheEndpointIs:
    def test_nothing_answers(self, refuse: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{other.getsockname()[1]}"
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            said = refuse("ls")
        assert f"no endpoint answers at {url} (AWS_ENDPOINT_URL; " in said
        assert "start it with `emrs-local`" in said

    def test_over_tls(
        self, run: Run, refuse: Run, emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with local_emr(state_dir=tmp_path, tls_port=port) as other:
            other.client("s3").create_bucket(Bucket="theirs")
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{port}")
            monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "tls" / "ca.pem"))
            assert run("ls") == "s3://theirs/\n"
            assert run("status") == f"https://localhost:{port}\n"
            assert "there is no job run" in refuse("logs")
            monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere.pem")
            assert "AWS_CA_BUNDLE=/nowhere.pem: No such file or directory" in refuse("ls")
        monkeypatch.setenv("AWS_ENDPOINT_URL", emr.url)
        assert run("status").startswith(emr.url)

    def test_files_are_where_spark_looks(
        self, run: Run, refuse: Run, emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "job.py").touch()
        with local_emr(s3_endpoint=emr.url) as other:
            monkeypatch.setenv("AWS_ENDPOINT_URL", other.url)
            run("cp", str(tmp_path / "job.py"), "s3://bucket/")
        assert keys(emr) == {"job.py": b""}
        with local_emr(s3_endpoint="https://s3.eu-central-1.amazonaws.com") as other:
            monkeypatch.setenv("AWS_ENDPOINT_URL", other.url)
            assert "--s3-endpoint is https://s3.eu-central-1.amazonaws.com: for AWS there is `aws s3`" in refuse("ls")

    def test_the_default(self, monkeypatch: pytest.MonkeyPatch, emr: LocalEmr) -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        monkeypatch.setattr(client_cli, "DEFAULT_URL", emr.url)
        assert client_cli.main("ls", []) == 0

    def test_one_that_is_slow_is_waited_for(
        self, emr: LocalEmr, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(client_cli, "_SECONDS", 0.2)
        asked = []

        class Slow(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                if len(asked) == 1:
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"status": "no"}')

            def handle(self) -> None:
                super().handle()
                if len(asked) == 1:
                    time.sleep(0.5)

            def log_message(self, *_: Any) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            assert client_cli.main("ls", []) == 1
            server.shutdown()
        waited, refused = capsys.readouterr().err.splitlines()
        assert waited == f"{url} has not answered for 0.2 s; still waiting, Ctrl-C ends it"
        assert "is no endpoint of emrs-local" in refused

    def test_another_server_is_asked_nothing(self, refuse: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        class Aws(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, self.headers["Authorization"]))
                self.send_error(403)

            def log_message(self, *_: Any) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Aws) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            said = refuse("cp", __file__, "s3://bucket/")
            server.shutdown()
        assert f"{url} (AWS_ENDPOINT_URL) is no endpoint of emrs-local" in said
        assert asked == [("/_emrs/health", None)]

    def test_a_proxy_is_not_asked(self, run: Run, emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> None:
        put(emr, a=b"a")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert run("cat", "s3://bucket/a") == "a"
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)
        assert run("status").startswith(emr.url)


def test_a_reader_that_has_read_enough_ends_it_quietly(emr: LocalEmr) -> None:
    put(emr, a=b"x" * 1_000_000)
    command = [sys.executable, "-m", "airflow_emrs_ext.local", "cat", "s3://bucket/a"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **emr.environ}
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == b"x"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0
