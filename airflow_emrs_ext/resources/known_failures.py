"""Known failures of job runs: what a driver or the service says, why that is so, and what to do about it.

The table of refused requests is in :mod:`airflow_emrs_ext.resources.refused_requests`; sessions and managed endpoints
have theirs where the kinds are. ``docs/errors.md`` shows all of them.
"""

from __future__ import annotations

from airflow_emrs_ext.resources.remedy import Remedy

_SERVERLESS = "emr-serverless"
_CONTAINERS = "emr-containers"

JOB_RUN_FAILURES: tuple[Remedy, ...] = (
    Remedy(
        r"(?i)service limit on the maximum vCPU|vCPU\w* (quota|limit)|(quota|limit)\w* [^.]{0,40}\bvCPU",
        "Raise the quota `Max concurrent vCPUs per account` in the Service Quotas console, or run less at once "
        "(`maximum_capacity` of the applications, pools in Airflow).",
        "All job runs and sessions of the account in this Region together use as many vCPUs as its quota allows.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)exceeded (the )?maximum ?capacity",
        "Raise the application's `maximum_capacity` (EmrServerlessUpdateApplicationOperator, while it is stopped), ask "
        "for fewer or smaller workers (spark.dynamicAllocation.maxExecutors, spark.executor.cores, "
        "spark.executor.memory), or let job runs wait for each other (`scheduler_configuration`).",
        "The workers that it needs do not fit into the application's maximum capacity beside what runs there.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)assume (the )?(execution|job runtime) role|trust (relationship|policy)|sts:AssumeRole",
        "Check that the role of `execution_role_arn` exists, and that its trust policy lets "
        "emr-serverless.amazonaws.com call sts:AssumeRole.",
        "EMR Serverless may not act in the execution role.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)assume (the )?(execution|job) role|AssumeRoleWithWebIdentity|trust (relationship|policy)|sts:AssumeRole",
        "Check that the role of `execution_role_arn` exists, and that its trust policy names the service account of "
        "the namespace: `aws emr-containers update-role-trust-policy` writes it.",
        "The pods may not act in the execution role.",
        _CONTAINERS,
    ),
    Remedy(
        r"(?i)ErrImagePull|ImagePullBackOff|CannotPullContainer"
        r"|image.{0,80}(not found|could not be pulled|manifest|denied)",
        "Check spark.kubernetes.container.image: the image is in a registry that the nodes reach and may pull from, "
        "and is built from the release's own image for the nodes' architecture.",
        "The nodes cannot use the image of the pods.",
        _CONTAINERS,
    ),
    Remedy(
        r"(?i)unschedulable|FailedScheduling|insufficient (cpu|memory|ephemeral)|nodes are available|exceeded quota",
        "Give the cluster more or larger nodes, ask for less (spark.driver.*, spark.executor.*), check node selectors "
        "and taints, and the quota of the namespace.",
        "No node of the EKS cluster takes the pods.",
        _CONTAINERS,
    ),
    Remedy(
        r"(?i)CLUSTER_UNAVAILABLE|cluster (is )?(not (found|reachable|available)|unreachable|unavailable)"
        r"|\bforbidden\b.{0,80}(namespace|service ?account|resource)",
        "Check that the EKS cluster and the namespace are there, and that EMR may use the namespace (`eksctl create "
        "iamidentitymapping --service-name emr-containers`, or an EKS access entry).",
        "EMR cannot work in the namespace of the virtual cluster.",
        _CONTAINERS,
    ),
    Remedy(
        r"No module named",
        "Package the module and name it in `job_driver`: --py-files for modules and wheels, --archives for a virtual "
        "environment (with spark.kubernetes.driverEnv.PYSPARK_PYTHON and spark.executorEnv.PYSPARK_PYTHON), or an "
        "image of your own (spark.kubernetes.container.image).",
        "The pods have the Python packages of their image and what the job run brings with it, not those of Airflow.",
        _CONTAINERS,
    ),
    Remedy(
        r"PYTHON_VERSION_MISMATCH|Python in worker has different version",
        "Set spark.executorEnv.PYSPARK_PYTHON and spark.kubernetes.driverEnv.PYSPARK_PYTHON to the same environment.",
        "Driver and executors run different versions of Python.",
        _CONTAINERS,
    ),
    Remedy(
        r"(?i)no space left on device|ephemeral[- ]storage",
        "Mount a volume for spark.local.dir (spark.kubernetes.executor.volumes.*), give the nodes larger disks, or use "
        "more executors.",
        "A node's disk is full of shuffle data, cached data or temporary files.",
        _CONTAINERS,
    ),
    Remedy(
        r"(?i)UnknownHostException|connect(ion)? ?timed? ?out|Unable to execute HTTP request|SocketTimeoutException"
        r"|ConnectTimeout|No route to host|Network is unreachable",
        "Check the routes, security groups and VPC endpoints (S3, Glue, STS, KMS) of the nodes' subnets, and the "
        "network policies of the namespace.",
        "The pods have no way to a host that they need.",
        _CONTAINERS,
    ),
    Remedy(
        r"(?i)\bkms:\w+|AWSKMS|KMS ?Exception|\bKMS\b.{0,80}(denied|not authorized|disabled|not found|does not exist)"
        r"|KMSInvalidState|the ciphertext refers to a (customer )?(master )?key",
        "Allow `kms:Decrypt` and `kms:GenerateDataKey` on the key to the role of `execution_role_arn`, in its policy "
        "and in the key's own; check that the key is enabled and in this Region.",
        "Something that the job run reads or writes is encrypted with a KMS key that its role may not use.",
    ),
    Remedy(
        r"(?i)\blakeformation\b|lake formation",
        "Grant the role of `execution_role_arn` SELECT and DESCRIBE on the table in Lake Formation and register the "
        "table's location there; RDDs cannot be used in such job runs.",
        "The application's data is governed by Lake Formation, which does not let the role do this.",
    ),
    Remedy(
        r"(?i)\bglue:\w+|AWSGlue.{0,200}AccessDenied|AccessDenied.{0,200}glue",
        "Allow the action to the role of `execution_role_arn` on catalog, database and table, e.g. glue:GetDatabase, "
        "glue:GetTable, glue:GetPartitions.",
        "The role may not use the Glue Data Catalog so.",
    ),
    Remedy(
        r"(?i)S3 access is denied|\bs3:\w+ on resource|(s3|AmazonS3Exception|S3Exception)\b.{0,300}access ?denied"
        r"|access ?denied.{0,200}\bs3\b|AccessControlException.{0,100}\bs3|status code: 403.{0,60}s3",
        "Allow `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject` and `s3:ListBucket` on what the job uses, its script "
        "and its logs included, to the role of `execution_role_arn`; see also the bucket's own policy and "
        "`execution_iam_policy`.",
        "The execution role may not read or write something on S3.",
    ),
    Remedy(
        r"(?i)image.{0,120}(not found|does not exist|could not be pulled|cannot be pulled|failed to pull|not valid"
        r"|invalid|validation|digest|manifest|not authorized|access|permission)|\bECR\b|CannotPullContainer"
        r"|exec format error|imageUri",
        "Check `image_configuration`: the image lies in ECR in this Region, its repository's policy lets "
        "emr-serverless.amazonaws.com pull it, it is built from the image of the application's release and for its "
        "architecture, and user and entry point are those of that image.",
        "The application's custom image cannot be used.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)release ?label.{0,80}(not|invalid|unsupported|unknown|no longer)|(invalid|unsupported|unknown) release",
        "Give the application another `release_label`, e.g. emr-7.9.0, and see the release's own notes for what it "
        "supports.",
        "The application's release does not exist, or does not support what the job run asks for.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)timed out in the queue|queue ?timeout|queued for (more|longer) than",
        "Raise `maxConcurrentRuns` or `queueTimeoutMinutes` in `scheduler_configuration` of the application, or spread "
        "the DAG runs.",
        "The application executes only so many job runs at once, and this one's turn did not come in time.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)(job|execution|run)\w*( run)? (has )?timed? ?out|executionTimeout|exceeded .{0,40}execution timeout",
        "Raise `execution_timeout_minutes` (10080 at most), or find out in the Spark UI what takes so long.",
        "The service ends a job run after its own time limit, 12 hours unless `execution_timeout_minutes` says "
        "otherwise.",
        _SERVERLESS,
    ),
    Remedy(
        r"No module named",
        "Package the module and name it in `job_driver`: --py-files for modules and wheels, --archives for a virtual "
        "environment (with spark.emr-serverless.driverEnv.PYSPARK_PYTHON and spark.executorEnv.PYSPARK_PYTHON), or a "
        "custom image.",
        "The workers have the release's own Python packages and what the job run brings with it, not those of Airflow.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)cannot run program .{0,80}python",
        "Check that --archives names the packed environment with its #alias, that PYSPARK_PYTHON begins with "
        "./<alias>/, and that it was packed on Amazon Linux for the application's architecture.",
        "The Python of the job run's virtual environment is not where its settings say.",
    ),
    Remedy(
        r"PYTHON_VERSION_MISMATCH|Python in worker has different version",
        "Set spark.executorEnv.PYSPARK_PYTHON and spark.emr-serverless.driverEnv.PYSPARK_PYTHON to the same "
        "environment.",
        "Driver and executors run different versions of Python.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)secretsmanager:\w+|SecretsManager.{0,200}(AccessDenied|not authorized|ResourceNotFound)"
        r"|secrets? manager.{0,120}(access|denied|not authorized|can't find|not found|could not)",
        "Allow `secretsmanager:GetSecretValue`, and `kms:Decrypt` on the secret's key, to the role of "
        "`execution_role_arn`; check the ARN in `EMR.secret@<ARN>` (`spark_conf.secret` writes it), and that the "
        "secret is in this Region.",
        "A property refers to a secret of AWS Secrets Manager that the role may not read, or that is not there.",
    ),
    Remedy(
        r"(?i)unable to instantiate \S*(HiveMetaStoreClient|metastore)|could not connect to meta ?store"
        r"|no suitable driver|BoneCP|HikariPool\S* .{0,60}(exception|failed)|MetaException"
        r"|ClassNotFoundException: (org\.mariadb|com\.mysql|org\.postgresql)\S*"
        r"|specified datastore driver .{0,80}not found",
        "Name the JDBC driver's jar in --jars, and its class, URL, user and password in `spark_conf.jdbc_metastore`; "
        "check that the job run's network leads to the database, and that its security group lets the job run in.",
        "The Hive metastore that the job run is told to use cannot be reached, refuses it, or has no driver here.",
    ),
    Remedy(
        r"(?i)(failed to find (the )?data source|DATA_SOURCE_NOT_FOUND\S*).{0,80}\b(iceberg|delta|hudi)\b"
        r"|(ClassNotFoundException|NoClassDefFoundError): ?(org[./]apache[./]iceberg|io[./]delta|org[./]apache[./]hudi)"
        r"|cannot find catalog plugin class|catalog plugin class .{0,120}not found|CATALOG_NOT_FOUND",
        "Name the jars that the release has of the format, with its extensions and catalog: `spark_conf.iceberg()`, "
        "`spark_conf.delta()` and `spark_conf.hudi()` write them all; check the catalog's name in the query.",
        "The job run uses a table format or a catalog that its Spark has not been told of.",
    ),
    Remedy(
        r"SQL_CONF_NOT_FOUND.{0,40}\bspark\.sql\.(session\.localRelation|execution\.pandas\.|pyspark\.)"
        r"|Expected Relation to be set, but is empty",
        "Use the client of the session's own Spark: pyspark 3.5 for emr-7.x, 4.0 for emr-spark-8.0, 4.1 for "
        "emr-spark-8.1; in another interpreter, `requirements=` or `python=` chooses it.",
        "The Spark Connect client is newer than the session's Spark, and asks for what that does not know.",
    ),
    Remedy(
        r"INVALID_HANDLE\.SESSION_\w+",
        "Let the task be tried again, or split it: each task has a Spark session of its own. A pause of more than an "
        "hour needs spark.connect.session.manager.defaultSessionTimeout in the session's `runtime_configuration`.",
        "Spark Connect has closed this client's Spark session, with its temporary views: it does after 60 minutes "
        "without a call, and with its driver.",
    ),
    Remedy(
        r"\b(CAST_INVALID_INPUT|CAST_OVERFLOW\w*|ARITHMETIC_OVERFLOW|DIVIDE_BY_ZERO|REMAINDER_BY_ZERO"
        r"|NUMERIC_VALUE_OUT_OF_RANGE|INVALID_ARRAY_INDEX\w*|CANNOT_PARSE_TIMESTAMP|DATETIME_FIELD_OUT_OF_BOUNDS)\b",
        "Use `try_cast`, `try_divide`, `try_to_timestamp`, `get` and their like where data may be wrong, or clean it; "
        "spark.sql.ansi.enabled=false brings back what Spark 3.5 (emr-7.x) does by default: NULL, or a number that "
        "wraps around.",
        "Spark 4 (emr-spark-8.x) follows the ANSI standard by default: a value that does not fit is an error.",
    ),
    Remedy(
        r"ClassNotFoundException|NoClassDefFoundError|NoSuchMethodError|Failed to load class"
        r"|Failed to find (the )?data source|DATA_SOURCE_NOT_FOUND|UnsupportedClassVersionError",
        "Add the library with --jars or --packages in `sparkSubmitParameters` (packages need a network with a way "
        "out), built for the release's versions of Spark, Scala and Java; check the main class's name.",
        "A Java class is not on the class path, or is there in a version that does not fit.",
    ),
    Remedy(
        r"(?i)maxResultSize",
        "Write the result to S3 instead of collecting it, or raise spark.driver.maxResultSize and spark.driver.memory.",
        "The job collects more on its driver than the driver takes.",
    ),
    Remedy(
        r"(?i)no space left on device",
        "Raise spark.emr-serverless.driver.disk or spark.emr-serverless.executor.disk (20 to 200 GB; shuffle-optimized "
        "disks to 2 TB), or use more executors.",
        "A worker's disk is full of shuffle data, cached data or temporary files.",
        _SERVERLESS,
    ),
    Remedy(
        r"OutOfMemoryError|Java heap space|GC overhead limit|\bMemoryError\b|(?i:cannot allocate memory)"
        r"|(?i:(exit|status|code|signal)\w*( code| status)?[ :=]+(137|9)\b)|(?i:running beyond .{0,20}memory)"
        r"|(?i:killed .{0,60}(memory|oom))|(?i:out of memory)",
        "Raise spark.driver.memory or spark.executor.memory (or memoryOverhead: Python works outside the heap), use "
        "more partitions, and do not collect or broadcast what is large.",
        "A worker used more memory than it has: exit code 137 is the kernel's kill.",
    ),
    Remedy(
        r"(?i)ExecutorLostFailure|lost executor|executor heartbeat timed out|FetchFailed|MetadataFetchFailed"
        r"|worker .{0,40}lost|(exit|status|code|signal)\w*( code| status)?[ :=]+(143|15)\b|slave lost",
        "See the executors' own logs and the Executors tab of the Spark UI: memory is the usual cause "
        "(spark.executor.memory, memoryOverhead); raise spark.task.maxFailures for what passes by itself.",
        "Executors ended in the middle of their work: killed for their memory, or taken away (exit code 143).",
    ),
    Remedy(
        r"(?i)(insufficient|not enough|no) (free |available )?IP address|InsufficientFreeAddresses",
        "Give `network_configuration` subnets with more free addresses, in several availability zones: each worker "
        "takes one.",
        "The application's subnets have no addresses left.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)UnknownHostException|connect(ion)? ?timed? ?out|Unable to execute HTTP request|SocketTimeoutException"
        r"|ConnectTimeout|No route to host|Network is unreachable",
        "Check `network_configuration`: without it a job run reaches AWS services of its Region only; with it, routes, "
        "security groups and VPC endpoints (S3, Glue, STS, KMS) decide.",
        "The job run's network has no way to a host that it needs.",
        _SERVERLESS,
    ),
    Remedy(
        r"(?i)slow ?down|status code: 503.{0,60}s3|please reduce your request rate",
        "Write fewer, larger files and use more prefixes, or raise spark.hadoop.fs.s3.maxRetries.",
        "S3 throttles the requests of the job.",
    ),
    Remedy(
        r"(?i)NoSuchBucket|bucket \S+ does not exist|specified bucket does not exist",
        "Check the name of the bucket in the script, its arguments and the log URI.",
        "There is no such bucket.",
    ),
    Remedy(
        r"PATH_NOT_FOUND|(?i:path does not exist)|(?i:input path)|FileNotFoundException|FileNotFoundError|NoSuchKey"
        r"|(?i:specified key does not exist)|(?i:no such file or directory)|(?i:can't open file)",
        "Check the path in the script's arguments and `entryPoint` for spelling, and that what writes it has run: the "
        "task upstream, for the same date.",
        "A file or folder that the job run reads is not there.",
    ),
    Remedy(
        r"TABLE_OR_VIEW_NOT_FOUND|SCHEMA_NOT_FOUND|(?i:table or view not found)|NoSuchTableException"
        r"|NoSuchDatabaseException|EntityNotFoundException|(?i:table not found)",
        "Check the names of catalog, database and table, and that the job run uses the Glue Data Catalog "
        "(spark.hadoop.hive.metastore.client.factory.class).",
        "The catalog that the job run uses has no such table.",
    ),
    Remedy(
        r"UNRESOLVED_COLUMN|(?i:cannot resolve .{0,80}column)",
        "Compare the column's name with the schema of what is read: it may have changed upstream.",
        "The data has no such column.",
    ),
    Remedy(
        r"ConcurrentAppendException|ConcurrentModificationException|CommitFailedException|ConcurrentDelete",
        "Let only one task write a table at a time (a pool of one slot), or raise the table's own commit retries.",
        "Another job changed the table while this one did.",
    ),
    Remedy(
        r"(?i)(exited with status|exit ?code:?) (?!(0|1|9|15|137|143)\b)\d+",
        "Look for it in the script and at the end of the driver's output. An exception that leaves the script would be "
        "named here.",
        "The script has ended itself with this status: by sys.exit(), or by a program that it has run.",
    ),
    Remedy(
        r"^CANCELLED",
        "If nobody meant to: AWS CloudTrail shows who called CancelJobRun.",
        "Somebody, or another task, cancelled it.",
    ),
)
"""What the service and Spark say when a job run fails; those of the user guide's troubleshooting first."""
