#!/usr/bin/env bash
# moto's EMR Serverless starts two job runs for one client token, and cancels what has already succeeded.
#
# Expected: as the service's API says. A StartJobRun that is repeated with its clientToken answers with the job run of
# the first; so does CreateApplication. What has ended SUCCESS stays so, and createdAt is when the job run was created.
#
# What happens: the token is not looked at, so the retry of a task after a lost answer starts a second job run, and a
# test of it against moto shows two where the service has one. A job run is SUCCESS at once; CancelJobRun makes it
# CANCELLED afterwards. createdAt has a day and no time: it is midnight, hours before the request.
#
# Versions: moto 5.2.5, boto3 1.43.117; Python 3.11.
#
# Output seen:
#   one token:        2 applications, 2 job runs
#   state at once:    SUCCESS, and CANCELLED after CancelJobRun
#   time of creation: 00:00:00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet moto==5.2.5 boto3==1.43.117
cat > "$folder/show.py" <<'PYTHON'
import boto3
from moto import mock_aws

key = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
with mock_aws():
    client = boto3.client("emr-serverless", region_name="us-east-1", **key)
    application = {"releaseLabel": "emr-7.9.0", "type": "SPARK", "clientToken": "one"}
    applications = [client.create_application(**application)["applicationId"] for _ in range(2)]
    job_run = {
        "applicationId": applications[0],
        "clientToken": "one",
        "executionRoleArn": "arn:aws:iam::123456789012:role/job",
        "jobDriver": {"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
    }
    job_runs = [client.start_job_run(**job_run)["jobRunId"] for _ in range(2)]
    which = {"applicationId": applications[0], "jobRunId": job_runs[0]}

    def look():
        return client.get_job_run(**which)["jobRun"]

    before, created = look()["state"], look()["createdAt"]
    client.cancel_job_run(**which)
    after = look()["state"]
found = (len(set(applications)), len(set(job_runs)), before, after, f"{created:%H:%M:%S}")
print(f"one token:        {found[0]} applications, {found[1]} job runs")
print(f"state at once:    {before}, and {after} after CancelJobRun")
print(f"time of creation: {found[4]}")
raise SystemExit(found != (2, 2, "SUCCESS", "CANCELLED", "00:00:00"))
PYTHON
TZ=UTC "$folder/venv/bin/python" "$folder/show.py"
