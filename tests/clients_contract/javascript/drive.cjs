// What one test asks of the AWS SDK for JavaScript; prints what came of it as JSON.
const emrContainers = require("@aws-sdk/client-emr-containers");
const emrServerless = require("@aws-sdk/client-emr-serverless");

const ROLE = "arn:aws:iam::123456789012:role/jobs";
const RELEASE = { releaseLabel: "emr-7.5.0" };

// Neither package has a waiter for a job run.
async function ended(look) {
  for (;;) {
    const run = (await look()).jobRun;
    if (["SUCCESS", "COMPLETED", "FAILED", "CANCELLED"].includes(run.state)) return run;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function collected(pages, member) {
  const sizes = [];
  const ids = [];
  for await (const page of pages) {
    sizes.push(page[member].length);
    ids.push(...page[member].map((one) => one.id));
  }
  return { sizes, ids };
}

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return { name: error.name, message: error.message, status: error.$metadata.httpStatusCode };
  }
}

const serverless = {
  async run(client) {
    const { applicationId } = await client.createApplication({ ...RELEASE, type: "SPARK", name: "mine" });
    const { jobRunId } = await client.startJobRun({
      applicationId,
      executionRoleArn: ROLE,
      name: "nightly",
      jobDriver: { sparkSubmit: { entryPoint: "s3://code/job.py", entryPointArguments: ["1"] } },
      tags: { team: "data" },
    });
    const run = await ended(() => client.getJobRun({ applicationId, jobRunId }));
    const dated = run.createdAt instanceof Date && run.endedAt >= run.createdAt;
    return { state: run.state, details: run.stateDetails, name: run.name, tags: run.tags, dated };
  },

  async list(client) {
    for (let n = 0; n < 5; n++) await client.createApplication({ ...RELEASE, type: "SPARK" });
    return collected(emrServerless.paginateListApplications({ client, pageSize: 2 }, {}), "applications");
  },

  async refused(client) {
    return refusal(() => client.getApplication({ applicationId: "00nothere" }));
  },
};

const containers = {
  async run(client, virtualClusterId) {
    const { id } = await client.startJobRun({
      virtualClusterId,
      executionRoleArn: ROLE,
      name: "nightly",
      releaseLabel: "emr-7.5.0-latest",
      jobDriver: { sparkSubmitJobDriver: { entryPoint: "s3://code/job.py" } },
      tags: { team: "data" },
    });
    const run = await ended(() => client.describeJobRun({ virtualClusterId, id }));
    const dated = run.createdAt instanceof Date && run.finishedAt >= run.createdAt;
    return { state: run.state, details: run.stateDetails, name: run.name, tags: run.tags, dated };
  },

  async list(client, virtualClusterId) {
    for (let n = 0; n < 5; n++) await containers.run(client, virtualClusterId);
    const asked = { virtualClusterId, states: ["COMPLETED"] };
    return collected(emrContainers.paginateListJobRuns({ client, pageSize: 2 }, asked), "jobRuns");
  },

  async refused(client, virtualClusterId) {
    return refusal(() => client.describeJobRun({ virtualClusterId, id: "0000000nothere" }));
  },
};

const [service, what, ...given] = process.argv.slice(2);
const [steps, client] =
  service === "emr-serverless"
    ? [serverless, new emrServerless.EMRServerless({})]
    : [containers, new emrContainers.EMRContainers({})];
steps[what](client, ...given).then((answer) => console.log(JSON.stringify(answer)));
