"""What the template promises of safety: who may do what, and which alarm a failed job raises."""

import json
import re
from datetime import date
from fnmatch import fnmatch
from importlib.metadata import files
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from samcli import yamlhelper

from dev.aws.template import read_template
from dev.docs import connections
from flomastr.archive.parquet import SOURCES, Source
from flomastr.drills import job_watch
from flomastr.http.fields import EARLIEST
from flomastr.object_storage import connect, key_of, key_of_data
from tests.support.reached import reached

ROOT = Path(__file__).parent.parent
YAML: Any = yamlhelper  # which has no types
TEMPLATE = YAML.yaml_parse((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, Any] = {name: found for name, found in TEMPLATE["Resources"].items()}
FUNCTION_DEFAULTS = TEMPLATE["Globals"]["Function"]
OF_THE_STACK = "FloMastr/${AWS::StackName}"
WAITING = "ApproximateNumberOfMessagesVisible"
FUNCTIONS = {
    name.removesuffix("Function"): found["Properties"]
    for name, found in RESOURCES.items()
    if found["Type"] == "AWS::Serverless::Function"
}
REQUESTS = {"History", "Recovery"}
JOBS = {
    *("Partitions", "Archive", "Expire", "Compact", "Restore", "Erase", "Requeue", "Rollup", "Alert"),
    *("Backup", "Drill", "Recover"),
}
WORKERS = {"Embed"}  # behind a queue
OPERATORS = {"RestoreBackup"}
LAKE = REQUESTS | OPERATORS | JOBS - {"Partitions", "Requeue", "Alert", "Recover"}
SENDERS = {  # of messages, by the queue
    "Embed": {"Documents", "Files", "Ingest", "KnowledgeIndex", "KnowledgeSearch", "Requeue"},
    "Ingest": {"Ingest", "Requeue"},
}
SECRETS = {  # by the function of settings.py that reads them
    "signing_key": "SigningSecretArn",
    "storage_keys": "StorageSecretArn",
    "backup_keys": "BackupStorageSecretArn",
    "digitalocean_token": "DigitalOceanSecretArn",
    "target_url": "RestoreSecretArn",
    "embeddings_key": "EmbeddingsSecretArn",
    "recording_url": "DatabaseSecretArn",
}
UNASKED = {"Restore": {"SigningSecretArn"}}  # methods that it calls are named as some that sign cursors
READ, WRITE, REMOVE, LIST = "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"
ON_BACKUPS = {
    *("s3:AbortMultipartUpload", "s3:GetObjectRetention", "s3:PutObjectRetention"),
    "s3:GetBucketObjectLockConfiguration",
}
RIGHTS = {
    "History": {READ, LIST},
    "Recovery": {READ, LIST},  # the audit trail
    "Rollup": {READ, LIST},
    "Archive": {READ, WRITE, REMOVE, LIST},
    "Compact": {READ, WRITE, REMOVE, LIST},
    "Expire": {READ, WRITE, REMOVE, LIST},
    "Restore": {READ, WRITE, LIST},
    "Executions": {READ, WRITE, LIST},
    "Events": {READ, WRITE, LIST},
    "Erase": {READ, WRITE, REMOVE, LIST, "s3:DeleteObjectVersion", "s3:ListBucketVersions"} | ON_BACKUPS,
    "Backup": {READ, WRITE, REMOVE, LIST} | ON_BACKUPS,
    "Drill": {READ, WRITE, REMOVE, LIST} | ON_BACKUPS,
    "Doctor": {READ, WRITE, REMOVE, LIST, "s3:DeleteObjectVersion", "s3:ListBucketVersions"} | ON_BACKUPS,
    "RestoreBackup": {READ, LIST},
}
OVER_UPLOADS = {
    "Uploads": {WRITE},
    "Ingest": {READ, REMOVE, LIST},
    "Erase": {REMOVE, "s3:DeleteObjectVersion", "s3:ListBucketVersions"},
    "Doctor": {READ, WRITE, REMOVE, LIST, "s3:DeleteObjectVersion", "s3:ListBucketVersions"},
}
ON_KEYS = {"N8n": {"kms:Encrypt", "kms:Decrypt"}, "Restore": {"kms:Decrypt"}}
RECORDERS = {"Executions", "Events", "Restore"}  # of executions, some of whose data is too large for a row
OVER_LARGE_DATA = {
    **{recorder: {READ, WRITE} for recorder in RECORDERS},
    "History": {READ},
    "Expire": {REMOVE},
    "Erase": {REMOVE, "s3:DeleteObjectVersion"},
}
HOOKS = {"Smoke"}  # which CodeDeploy calls, and which have rights over neither objects nor secrets
FAILURES = {"Fn::GetAtt": ["JobFailures", "Arn"]}
BUCKET = {"Fn::If": ["OwnBucket", {"Ref": "ArchiveBucket"}, {"Ref": "ArchiveBucketName"}]}
UPLOADS = {"Fn::If": ["OwnUploads", {"Ref": "UploadsBucket"}, {"Ref": "UploadsBucketName"}]}
LARGE_DATA = "/execution_data/tenant=*"
BACKUPS = {"Fn::If": ["OwnBackups", {"Ref": "BackupBucketName"}, BUCKET]}


def statements(function: Any) -> list[Any]:
    """On objects: of the policies that are written in the function, and of those that it shares with others."""
    return [statement for statement in all_statements(function) if "Fn::Sub" in statement["Resource"]]


def all_statements(function: Any) -> list[Any]:
    return [statement for policy in function.get("Policies", []) for statement in document(policy).get("Statement", [])]


def document(policy: Any) -> Any:
    return RESOURCES[policy["Ref"]]["Properties"]["PolicyDocument"] if "Ref" in policy else policy


def secrets(function: Any) -> set[str]:
    """Those that its role may read, some of them where a parameter names one."""
    name = "AWSSecretsManagerGetSecretValuePolicy"
    policies = [policy.get("Fn::If", ["", policy])[1] for policy in function.get("Policies", [])]
    return {policy[name]["SecretArn"]["Ref"] for policy in policies if name in policy}


def schedules(function: Any) -> list[Any]:
    return [event["Properties"] for event in function.get("Events", {}).values() if event["Type"] == "ScheduleV2"]


def columns(source: Source) -> list[str]:
    """Their names as files have them."""
    return [column.split(" AS ")[-1].strip().removeprefix("e.") for column in source.columns.split(",")]


def test_the_lake_layer_is_only_where_the_archive_is_used() -> None:
    has_layer = {name for name, function in FUNCTIONS.items() if {"Ref": "LakeLayer"} in function.get("Layers", [])}
    with_variable = {
        name for name, function in FUNCTIONS.items() if "ARCHIVE_BUCKET" in function["Environment"]["Variables"]
    }
    assert has_layer == LAKE
    assert with_variable == set(RIGHTS) == LAKE | RECORDERS | {"Doctor"}


def test_each_function_may_do_with_objects_what_its_work_needs_and_no_more() -> None:
    found: dict[bool, dict[str, set[str]]] = {True: {}, False: {}}
    for name, function in FUNCTIONS.items():
        for statement in statements(function) if name not in HOOKS else ():
            over_uploads = statement["Resource"]["Fn::Sub"][1] == {"Bucket": UPLOADS}
            found[over_uploads].setdefault(name, set()).update(statement["Action"])
    assert found == {False: RIGHTS, True: OVER_UPLOADS}


def test_keys_of_n8n_are_encrypted_by_a_key_that_nothing_else_uses_and_that_outlives_the_stack() -> None:
    key = {"Fn::GetAtt": ["N8nKey", "Arn"]}
    granted: dict[str, set[str]] = {}
    for name, function in FUNCTIONS.items():
        for statement in all_statements(function):
            if "Fn::Sub" not in statement["Resource"] and name != "Migrate":
                assert statement["Resource"] == key
                granted[name] = set(statement["Action"])
    assert granted == ON_KEYS
    for name in ON_KEYS:
        variables = FUNCTIONS[name]["Environment"]["Variables"]
        assert (variables["ENCRYPTION_KEY"], variables["LOCAL_ENCRYPTION_KEY"]) == (key, "")
    assert RESOURCES["N8nKey"]["DeletionPolicy"] == RESOURCES["N8nKey"]["UpdateReplacePolicy"] == "Retain"
    assert RESOURCES["N8nKey"]["Properties"]["EnableKeyRotation"] is True


def test_the_bucket_of_uploads_is_named_where_it_is_used() -> None:
    with_variable = {
        name for name, function in FUNCTIONS.items() if "UPLOADS_BUCKET" in function["Environment"]["Variables"]
    }
    assert with_variable == set(OVER_UPLOADS)


def test_rights_over_objects_end_at_the_buckets_of_the_archive_and_of_backups() -> None:
    over_large_data: dict[str, set[str]] = {}
    for function_name, function in FUNCTIONS.items():
        for statement in statements(function) if function_name not in HOOKS else ():
            name, values = statement["Resource"]["Fn::Sub"]
            of_bucket = all("Bucket" in action for action in statement["Action"])
            of_backups = values == {"Bucket": BACKUPS}
            of_archive = "/*" if values == {"Bucket": UPLOADS} else "/*/month=*"
            objects = "/doctor/*" if function_name == "Doctor" else "/backups/*" if of_backups else of_archive
            if name.endswith(LARGE_DATA):
                over_large_data[function_name] = set(statement["Action"])
                objects = LARGE_DATA
                assert values == {"Bucket": BUCKET}
            assert name == "arn:${AWS::Partition}:s3:::${Bucket}" + ("" if of_bucket else objects)
            assert values in ({"Bucket": BACKUPS}, {"Bucket": BUCKET}, {"Bucket": UPLOADS})
    assert over_large_data == OVER_LARGE_DATA


def test_every_object_of_the_archive_has_the_prefix_that_rights_are_over() -> None:
    for source in SOURCES:
        key = key_of(source, date(2026, 11, 1), UUID(int=1), UUID(int=2))
        assert fnmatch(f"/{key}", "/*/month=*")
    assert not fnmatch("/backups/20261101T000000Z/manifest.json", "/*/month=*")
    assert fnmatch(f"/{key_of_data(UUID(int=1), 'a' * 64)}", LARGE_DATA)
    assert not fnmatch(f"/{key_of_data(UUID(int=1), 'a' * 64)}", "/*/month=*")


def test_a_policy_is_had_by_the_functions_that_name_it_and_by_nothing_else() -> None:
    shared = {name: found for name, found in RESOURCES.items() if found["Type"] == "AWS::IAM::ManagedPolicy"}
    named = {
        policy["Ref"] for function in FUNCTIONS.values() for policy in function.get("Policies", []) if "Ref" in policy
    }
    assert set(shared) == named | {"SecretsKeyPolicy"}
    for name, policy in shared.items():
        attached = {"Roles"} if name == "SecretsKeyPolicy" else set[str]()
        assert set(policy["Properties"]) == {"Description", "PolicyDocument"} | attached
        assert {statement["Effect"] for statement in policy["Properties"]["PolicyDocument"]["Statement"]} == {"Allow"}


def test_all_functions_and_the_api_write_to_logs_that_end() -> None:
    groups = {name: found["Properties"] for name, found in RESOURCES.items() if found["Type"] == "AWS::Logs::LogGroup"}
    ends = {"RetentionInDays": {"Ref": "LogRetentionDays"}}
    assert groups == {"FunctionLogs": ends, "AccessLogs": ends}
    assert FUNCTION_DEFAULTS["LoggingConfig"] == {"LogGroup": {"Ref": "FunctionLogs"}}
    assert not [name for name, function in FUNCTIONS.items() if "LoggingConfig" in function]
    access = RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]
    assert access["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}


def test_the_log_of_the_api_names_routes_and_neither_people_nor_sessions() -> None:
    logged = json.loads(RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]["Format"])
    assert set(logged.values()) == {
        *("$context.requestId", "$context.requestTime", "$context.identity.sourceIp", "$context.routeKey"),
        *("$context.httpMethod", "$context.status", "$context.responseLatency", "$context.authorizer.error"),
        "$context.integrationErrorMessage",
    }


def test_jobs_know_the_secret_for_jobs_and_no_other() -> None:
    assert {name for name, function in FUNCTIONS.items() if schedules(function)} == JOBS
    for name in JOBS | WORKERS:  # but for the one that records as requests do
        others = {"MigrationSecretArn"} if name == "Restore" else {"DatabaseSecretArn", "MigrationSecretArn"}
        assert not secrets(FUNCTIONS[name]) & others
        assert FUNCTIONS[name]["Environment"]["Variables"]["DATABASE_SECRET"] == {"Ref": "JobSecretArn"}
    assert {name for name, function in FUNCTIONS.items() if "JobSecretArn" in secrets(function)} == JOBS | WORKERS


def asked_for(function: Any) -> set[str]:
    """The parameters of the secrets that the function's code can come to."""
    folder = ROOT / function["CodeUri"]
    file = "migrate.py" if folder.name == "schema" else "handler.py"
    database = function["Environment"]["Variables"].get("DATABASE_SECRET", {"Ref": "DatabaseSecretArn"})["Ref"]
    parameters = SECRETS | {"database_url": database}
    asked = {name for module, name in reached(folder / file) if module == "flomastr.settings"}
    return {parameter for name, parameter in parameters.items() if name in asked}


def test_a_function_may_read_the_secrets_that_its_code_asks_for_and_no_other() -> None:
    assert {name: secrets(function) for name, function in FUNCTIONS.items()} == {
        name: asked_for(function) - UNASKED.get(name, set()) for name, function in FUNCTIONS.items()
    }


def test_what_signs_and_what_pays_is_known_to_few() -> None:
    """So that what follows the code is seen to follow it."""
    having = {secret: {n for n, f in FUNCTIONS.items() if secret in secrets(f)} for secret in SECRETS.values()}
    assert having["EmbeddingsSecretArn"] == {"Embed", "KnowledgeSearch", "Doctor"}
    assert having["StorageSecretArn"] == set(RIGHTS | OVER_UPLOADS)
    assert having["BackupStorageSecretArn"] == {"Backup", "Doctor", "Drill", "Erase", "RestoreBackup"}
    assert having["RestoreSecretArn"] == {"Migrate", "RestoreBackup"}
    assert having["DigitalOceanSecretArn"] == {"Drill"}
    assert not having["SigningSecretArn"] & {"Authorizer", "Health", "OpenApi", "Branding", "Lifecycle", "Migrate"}
    assert having["SigningSecretArn"] >= {"ApiKeys", "Events", "Erase", "Workflows"}
    assert {n for n, f in FUNCTIONS.items() if "MigrationSecretArn" in secrets(f)} == {"Migrate"}
    assert secrets(FUNCTIONS["OpenApi"]) == set()


def test_a_secret_that_may_be_left_out_is_read_where_it_is_named() -> None:
    for function in FUNCTIONS.values():
        for policy in function.get("Policies", []):
            if "Fn::If" in policy and policy["Fn::If"][0] != "SecretsUnderKey":
                condition, granted, otherwise = policy["Fn::If"]
                ((_, arn),) = granted["AWSSecretsManagerGetSecretValuePolicy"].items()
                assert TEMPLATE["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [arn, ""]}]}
                assert otherwise == {"Ref": "AWS::NoValue"}


@pytest.mark.parametrize("queue", SENDERS)
def test_what_sends_messages_may_send_them_to_that_queue_and_do_no_more_with_it(queue: str) -> None:
    to_it = {"SQSSendMessagePolicy": {"QueueName": {"Fn::GetAtt": [f"{queue}Queue", "QueueName"]}}}
    assert {name for name, function in FUNCTIONS.items() if to_it in function.get("Policies", [])} == SENDERS[queue]
    with_variable = {
        name
        for name, function in FUNCTIONS.items()
        if f"{queue.upper()}_QUEUE_URL" in function["Environment"]["Variables"]
    }
    assert with_variable == SENDERS[queue]
    sent = [policy for f in FUNCTIONS.values() for policy in f.get("Policies", []) if "SQSSendMessagePolicy" in policy]
    assert len(sent) == sum(map(len, SENDERS.values()))


@pytest.mark.parametrize("name", SENDERS)
def test_a_message_that_nothing_can_be_written_down_of_is_delivered_again_alone_and_kept_in_the_end(name: str) -> None:
    queue, letters = RESOURCES[f"{name}Queue"]["Properties"], RESOURCES[f"{name}DeadLetters"]["Properties"]
    (event,) = FUNCTIONS[name]["Events"].values()
    assert event["Properties"]["Queue"] == {"Fn::GetAtt": [f"{name}Queue", "Arn"]}
    assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    window = event["Properties"].get("MaximumBatchingWindowInSeconds", 0)
    assert queue["VisibilityTimeout"] >= 6 * FUNCTIONS[name]["Timeout"] + window
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{name}DeadLetters", "Arn"]}
    assert queue["SqsManagedSseEnabled"] is letters["SqsManagedSseEnabled"] is True
    assert letters["MessageRetentionPeriod"] == 14 * 86_400


def test_the_documents_layer_is_only_where_documents_are_cut_or_told_their_language() -> None:
    has_layer = {
        name for name, function in FUNCTIONS.items() if {"Ref": "DocumentsLayer"} in function.get("Layers", [])
    }
    assert has_layer == {"Documents", "Files", "Ingest", "KnowledgeIndex", "Requeue"}


@pytest.mark.parametrize("name", sorted(JOBS))
def test_a_run_is_repeated_and_one_that_is_given_up_is_kept(name: str) -> None:
    (schedule,) = schedules(FUNCTIONS[name])
    assert schedule["RetryPolicy"] == {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    assert schedule["DeadLetterConfig"] == {"Arn": FAILURES}
    assert FUNCTIONS[name]["EventInvokeConfig"] == {
        "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": FAILURES}},
    }
    assert RESOURCES["JobFailures"]["Properties"]["SqsManagedSseEnabled"] is True


def test_each_job_runs_as_often_as_its_page_says() -> None:
    assert {name: schedule["ScheduleExpression"] for name in JOBS for schedule in schedules(FUNCTIONS[name])} == {
        "Partitions": "cron(0 1 * * ? *)",
        "Archive": "cron(0 2-6 * * ? *)",
        "Expire": "cron(30 * * * ? *)",
        "Compact": "cron(0 4 ? * SUN *)",
        "Restore": "rate(5 minutes)",
        "Erase": "rate(15 minutes)",
        "Rollup": "rate(5 minutes)",
        "Alert": "rate(1 minute)",
        "Requeue": "rate(1 minute)",
        "Backup": "cron(30 0 * * ? *)",
        "Drill": "rate(15 minutes)",
        "Recover": "rate(1 minute)",
    }
    assert all(
        schedule.get("State", "ENABLED") == "ENABLED" for name in JOBS for schedule in schedules(FUNCTIONS[name])
    )


def test_callers_are_known_by_their_token_alone_and_for_a_minute() -> None:
    api = RESOURCES["HttpApi"]["Properties"]
    assert api["Auth"]["DefaultAuthorizer"] == "Caller"
    (authorizer,) = api["Auth"]["Authorizers"].values()
    assert authorizer["Identity"] == {"Headers": ["Authorization"], "ReauthorizeEvery": 60}
    assert authorizer["FunctionArn"] == {"Fn::Sub": "${AuthorizerFunction.Arn}:live"}  # `sam local` knows no other form
    permission = RESOURCES["AuthorizerPermission"]["Properties"]
    assert permission["FunctionName"] == {"Ref": "AuthorizerFunction.Alias"}
    assert permission["SourceArn"]["Fn::Sub"].endswith(":${HttpApi}/authorizers/*")


def test_schedules_run_the_jobs_and_nothing_else_and_for_this_account_alone() -> None:
    role = RESOURCES["SchedulerRole"]["Properties"]
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trusted["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    (policy,) = role["Policies"]
    sends, runs = policy["PolicyDocument"]["Statement"]
    assert (sends["Action"], sends["Resource"]) == ("sqs:SendMessage", FAILURES)
    assert runs["Action"] == "lambda:InvokeFunction"
    assert {resource["Ref"] for resource in runs["Resource"]} == {f"{name}Function.Alias" for name in JOBS}
    roles = [schedule["RoleArn"] for name in JOBS for schedule in schedules(FUNCTIONS[name])]
    assert roles == [{"Fn::GetAtt": ["SchedulerRole", "Arn"]}] * len(JOBS)


def test_who_reads_secrets_may_decrypt_them_where_they_are_under_a_key_of_ones_own() -> None:
    policy = RESOURCES["SecretsKeyPolicy"]
    assert policy["Condition"] == "SecretsUnderKey"
    readers = {name for name, function in FUNCTIONS.items() if secrets(function)}
    assert {role["Ref"] for role in policy["Properties"]["Roles"]} == {
        f"{name}FunctionRole" for name in readers - {"Migrate"}
    }
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == (["kms:Decrypt"], {"Ref": "SecretsKeyArn"})
    through = {"kms:ViaService": {"Fn::Sub": "secretsmanager.${AWS::Region}.amazonaws.com"}}
    assert statement["Condition"] == {"StringEquals": through}
    own = FUNCTIONS["Migrate"]["Policies"][-1]["Fn::If"]
    assert own == ["SecretsUnderKey", {"Statement": [statement]}, {"Ref": "AWS::NoValue"}]


def test_how_much_comes_through_at_once_is_bounded() -> None:
    routes = RESOURCES["HttpApi"]["Properties"]["DefaultRouteSettings"]
    assert routes == {"ThrottlingBurstLimit": 500, "ThrottlingRateLimit": 1000}
    for name, batch in (("Embed", 10), ("Ingest", 1)):
        (event,) = FUNCTIONS[name]["Events"].values()
        bound = {"Fn::FindInMap": ["Sandboxes", {"Ref": "ClusterMemory"}, name]}
        assert event["Properties"]["ScalingConfig"] == {"MaximumConcurrency": bound}
        assert event["Properties"]["BatchSize"] == batch
    assert min(sizes["Ingest"] for sizes in TEMPLATE["Mappings"]["Sandboxes"].values()) == 2  # as AWS wants at least


def test_what_anybody_may_ask_without_a_limit_by_caller_has_one_by_route() -> None:
    open_routes = {
        f"{event['Properties']['Method']} {event['Properties']['Path']}"
        for name in ("Events", "Health", "OpenApi")
        for event in FUNCTIONS[name]["Events"].values()
        if event["Properties"].get("Auth") == {"Authorizer": "NONE"}
    }
    cheap = {"GET /routes/health", "HEAD /routes/health", "GET /routes/docs", "HEAD /routes/docs"}
    limits = RESOURCES["HttpApi"]["Properties"]["RouteSettings"]
    assert set(limits) == open_routes - cheap
    assert {route: limit["ThrottlingRateLimit"] for route, limit in limits.items()} == {
        "POST /routes/n8n/events": 200,
        **dict.fromkeys(["GET /routes/health/ready", "HEAD /routes/health/ready"], 10),
        **dict.fromkeys(["GET /routes/openapi.json", "HEAD /routes/openapi.json"], 20),
    }


def test_slow_statements_leave_the_pool_a_connection_and_an_account_a_hundred_sandboxes() -> None:
    sandboxes, functions = connections.read()
    sizes = ["1", "2", "4", "8"]
    sums = dict(connections.sums(sandboxes, functions, sizes))
    assert sums["connections"] == [22, 47, 97, 197]
    pairs = zip(sums["sandboxes with slow statements"], sums["the pool's"], strict=True)
    assert all(slow < pool for slow, pool in pairs)
    assert all(sandboxes <= 900 for sandboxes in sums["sandboxes of all functions"])
    assert {name: kind for name, kind in functions.items() if kind != "Quick"} == {
        "Documents": "Slow",
        "Files": "Files",
        "Analytics": "Slow",
        "KnowledgeSearch": "Search",
        "Embed": "Embed",
        "Ingest": "Ingest",
        **dict.fromkeys([*JOBS, *OPERATORS, "Migrate", "Doctor"], 1),
    }


def test_functions_have_the_time_that_their_work_takes() -> None:
    assert FUNCTION_DEFAULTS["Timeout"] == 15
    assert {name: function["Timeout"] for name, function in FUNCTIONS.items() if "Timeout" in function} == {
        "Authorizer": 8,  # two attempts to reach the issuer, and a cold start
        **dict.fromkeys(("History", "Recovery"), 29),  # as long as API Gateway waits
        "Files": 29,
        **dict.fromkeys(("Embed", "Ingest"), 180),
        "Smoke": 60,  # a cold start of the version that it asks
        "Doctor": 300,  # thirty checks of at most ten seconds
        **dict.fromkeys(("Requeue", "Alert"), 120),
        **dict.fromkeys(JOBS - {"Requeue", "Alert"} | OPERATORS | {"Migrate"}, 900),
    }


def test_two_stacks_may_stand_side_by_side() -> None:
    """A schedule whose name SAM makes up would be taken by the first."""
    assert all(schedule["OmitName"] for name in JOBS for schedule in schedules(FUNCTIONS[name]))


ALARMS = {
    name: found["Properties"]
    for name, found in RESOURCES.items()
    if found["Type"] == "AWS::CloudWatch::Alarm" and name != "ReleaseFailuresAlarm"  # which wakes nobody
}
# By each alarm: what it looks at, the statistic, above which value, and how often in a row.
WATCHED: dict[str, tuple[Any, ...]] = {
    "ApiErrorsAlarm": ({"5xx", "Count"}, "100 * errors / IF(requests < 100, 100, requests)", 1, 2),
    "ApiLatencyAlarm": ({"Latency"}, "p99", 3000, 3),
    "ThrottlesAlarm": ({"Throttles"}, "SUM(METRICS())", 10, 1),
    "MachineThrottlesAlarm": ({"Throttles"}, "SUM(METRICS())", 10, 1),
    "AuthorizerErrorsAlarm": ({"Errors", "IssuerUnreachable"}, "SUM(METRICS())", 2, 1),
    "DatabaseUnavailableAlarm": ({"DatabaseUnavailable"}, "SUM", 5, 1),
    "PoolSaturatedAlarm": ({"DatabaseTime"}, "AVG", 500, 3),
    "JobFailedAlarm": ({"JobFailed"}, "SUM by service", 0, 1),
    "JobsOverdueAlarm": ({"JobsOverdue"}, "Maximum", 0, 1),
    "JobFailuresAlarm": ({WAITING}, "Maximum", 0, 1),
    "ArchiveUnverifiedAlarm": ({"ArchiveUnverified"}, "SUM by service", 0, 1),
    "LargeDataMissingAlarm": ({"LargeDataMissing"}, "SUM by service", 0, 1),
    "RecoveryProblemsAlarm": ({"RecoveryProblems"}, "Maximum", 0, 1),
    "EmbeddingsFailedAlarm": ({"EmbeddingsFailed"}, "Sum", 0, 1),
    "EmbedDeadLettersAlarm": ({WAITING}, "Maximum", 0, 1),
    "UploadsGivenUpAlarm": ({"UploadsGivenUp"}, "Sum", 0, 1),
    "IngestDeadLettersAlarm": ({WAITING}, "Maximum", 0, 1),
}


def test_somebody_is_woken_by_each_thing_that_must_not_be_and_by_nothing_less() -> None:
    assert {
        name: (*watched(alarm), alarm["Threshold"], alarm["EvaluationPeriods"]) for name, alarm in ALARMS.items()
    } == WATCHED
    for name, alarm in ALARMS.items():
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        unseen = name in ("JobsOverdueAlarm", "RecoveryProblemsAlarm")  # which the job `drill` alone looks at
        assert alarm["TreatMissingData"] == ("breaching" if unseen else "notBreaching")
        assert all(period == (3600 if unseen else 300) for period in found(alarm, "Period"))


def test_what_takes_a_release_back_looks_at_this_stack_and_not_at_its_api_which_depends_on_it() -> None:
    alarm = RESOURCES["ReleaseFailuresAlarm"]["Properties"]
    assert (*watched(alarm), alarm["Threshold"], found(alarm, "Period")) == ({"Failures"}, "SUM", 5, [60])
    assert "AlarmActions" not in alarm
    preference = FUNCTION_DEFAULTS["DeploymentPreference"]
    named = {reference["Ref"] for reference in preference["Alarms"]}
    assert named == {"ReleaseFailuresAlarm", "AuthorizerErrorsAlarm"}
    assert {"Ref": "HttpApi"} not in [value for name in named for value in found(RESOURCES[name], "Value")]


def test_requests_move_in_steps_and_jobs_do_not() -> None:
    whole = {name for name, function in FUNCTIONS.items() if function.get("DeploymentPreference") == {"Enabled": False}}
    assert whole == JOBS | WORKERS | HOOKS | OPERATORS | {"Ingest", "Migrate", "Doctor"}
    assert all("DeploymentPreference" not in FUNCTIONS[name] for name in FUNCTIONS.keys() - whole)


def watched(alarm: Any) -> tuple[set[str], str]:
    """The metrics that it looks at, and what is made of them."""
    names = set(found(alarm, "MetricName"))
    for query in (part["Expression"] for part in alarm.get("Metrics", []) if "Expression" in part):
        if isinstance(query, str):
            return names, query
        match = re.fullmatch(
            r"SELECT (\w+)\((\w+)\) FROM SCHEMA\(\"(.+)\", service\)( GROUP BY service .+)?", query["Fn::Sub"]
        )
        assert match and match[3] == OF_THE_STACK
        return {match[2]}, match[1] + (" by service" if match[4] else "")
    return names, alarm.get("Statistic") or alarm["ExtendedStatistic"]


def found(part: Any, name: str) -> list[Any]:
    """All values under this name, however deep."""
    if isinstance(part, dict):
        members = cast(dict[str, Any], part)
        own = [members[name]] if name in members else []
        return own + found([value for key, value in members.items() if key != name], name)
    if isinstance(part, list):
        return [value for each in cast(list[Any], part) for value in found(each, name)]
    return []


def test_no_stage_rings_the_alarms_of_another() -> None:
    """Two stacks in an account: each metric is of this stack's resources, or in its namespace."""
    namespace = FUNCTION_DEFAULTS["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
    assert namespace == {"Fn::Sub": OF_THE_STACK}
    for alarm in ALARMS.values():
        for part in (
            alarm,
            *(each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each),
        ):
            of_the_stack = part.get("Namespace") == namespace
            for dimension in part.get("Dimensions", []):
                assert of_the_stack or not isinstance(dimension["Value"], str)


def test_what_is_measured_is_emitted_by_the_code() -> None:
    code = "".join(path.read_text() for path in (ROOT / "layers/flomastr").rglob("*.py"))
    ours = {name for alarm in ALARMS.values() if OF_THE_STACK in json.dumps(alarm) for name in watched(alarm)[0]}
    assert {name for name in ours - {"Errors"} if f'"{name}"' not in code} == set()


def test_each_alarm_says_what_to_do_to_somebody() -> None:
    topic = {"Fn::If": ["OwnTopic", {"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicArn"}]}
    page = (ROOT / "docs/how-to/operate.md").read_text()
    section = page.partition("## When an alarm rings\n")[2].partition("\n## ")[0]
    assert re.findall(r"^- \*\*`(\w+)`\*\*: ", section, re.MULTILINE) == list(ALARMS)
    for alarm in ALARMS.values():
        assert alarm["AlarmActions"] == [topic]
        assert len(alarm["AlarmDescription"].partition(": ")[2]) > 30
    assert RESOURCES["AlarmSubscription"]["Properties"] == {
        "TopicArn": topic, "Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}
    }  # fmt: skip
    assert TEMPLATE["Conditions"]["OwnTopic"] == {"Fn::Equals": [{"Ref": "AlarmTopicArn"}, ""]}
    assert "KmsMasterKeyId" not in RESOURCES["AlarmTopic"].get("Properties", {})  # alarms may not use AWS's own key


def test_each_job_whose_schedule_stops_is_missed() -> None:
    """The one that looks, `drill`, is missed by its metric. `pull` runs after `restore`, in its function."""
    assert {name.lower() for name in JOBS} | {"pull"} == {*job_watch.ALLOWED, "drill"}
    services = {function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] for function in FUNCTIONS.values()}
    assert {name.lower() for name in JOBS} <= services


def test_the_bucket_outlives_the_stack_and_is_nobody_elses() -> None:
    bucket = RESOURCES["ArchiveBucket"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    properties = bucket["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_the_bucket_forgets_uploads_after_a_day_and_replaced_versions_after_thirty() -> None:
    rules = RESOURCES["ArchiveBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    kept: dict[str, Any] = {
        name: value for rule in rules if rule["Status"] == "Enabled" for name, value in rule.items()
    }
    assert kept["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert kept["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert not any(name.startswith("Expiration") for name in kept)


def test_the_bucket_refuses_whoever_comes_without_tls() -> None:
    (statement,) = RESOURCES["ArchiveBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


def test_object_storage_elsewhere_needs_a_bucket_there() -> None:
    rule = TEMPLATE["Rules"]["BucketElsewhere"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "S3Endpoint"}, ""]}]}
    asserted = [assertion["Assert"]["Fn::Not"][0]["Fn::Equals"] for assertion in rule["Assertions"]]
    assert asserted == [[{"Ref": name}, ""] for name in ("ArchiveBucketName", "UploadsBucketName", "StorageSecretArn")]


def test_what_was_sent_is_kept_from_everybody_and_for_two_days_at_most() -> None:
    bucket = RESOURCES["UploadsBucket"]["Properties"]
    assert "VersioningConfiguration" not in bucket  # what is removed is gone
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 2)
    archive = RESOURCES["ArchiveBucket"]["Properties"]
    for name in ("PublicAccessBlockConfiguration", "BucketEncryption", "OwnershipControls"):
        assert bucket[name] == archive[name]
    (tls,) = RESOURCES["UploadsBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    (allowed,) = bucket["CorsConfiguration"]["CorsRules"]
    assert allowed["AllowedOrigins"] == ["*"]  # a page needs a link, which says one object, its size and its type
    assert (allowed["AllowedMethods"], allowed["AllowedHeaders"]) == (["PUT"], ["content-type"])


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
def test_the_console_may_send_to_where_links_lead_and_to_no_other_bucket(
    region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    on_aws, elsewhere = FUNCTIONS["Console"]["Environment"]["Variables"]["UPLOADS_URL"]["Fn::If"][1:]
    address, values = on_aws["Fn::Sub"]
    assert values == {"Bucket": UPLOADS}
    for name, value in {"Bucket": "files", "AWS::Region": region, "AWS::URLSuffix": "amazonaws.com"}.items():
        address = address.replace(f"${{{name}}}", value)
    assert link_at("").startswith(f"{address}/one?")
    assert elsewhere == {"Fn::Sub": "${S3Endpoint}/${UploadsBucketName}"}
    assert link_at("https://fra1.example.com").startswith("https://fra1.example.com/files/one?")


def link_at(endpoint: str) -> str:
    client = connect(endpoint, "key", "secret")
    return client.generate_presigned_url("put_object", Params={"Bucket": "files", "Key": "one"}, ExpiresIn=60)


def test_the_address_of_object_storage_has_no_path() -> None:
    pattern = TEMPLATE["Parameters"]["S3Endpoint"]["AllowedPattern"]
    given = ["", "https://fra1.example.com", "http://10.0.0.1:9000", "https://fra1.example.com/", "fra1.example.com"]
    assert [bool(re.fullmatch(pattern, address)) for address in given] == [True, True, True, False, False]


def test_the_bucket_of_uploads_alone_says_what_has_come() -> None:
    (told,) = RESOURCES["UploadsBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert told == {"Event": "s3:ObjectCreated:*", "Queue": {"Fn::GetAtt": ["IngestQueue", "Arn"]}}
    assert RESOURCES["UploadsBucket"]["DependsOn"] == "IngestQueuePolicy"
    (statement,) = RESOURCES["IngestQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"Service": "s3.amazonaws.com"}, "sqs:SendMessage")
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_a_deployment_names_its_applications_or_says_that_any_will_do() -> None:
    rule = TEMPLATE["Rules"]["ApplicationsNamed"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "OidcAnyApplication"}, "no"]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "OidcAuthorizedParties"}, ""]}]}
    choice = TEMPLATE["Parameters"]["OidcAnyApplication"]
    assert (choice["Default"], choice["AllowedValues"]) == ("no", ["no", "yes"])


@pytest.mark.parametrize("name", ["OidcAuthorizedParties", "OidcAudiences"])
def test_a_list_of_nothing_is_refused_before_it_is_deployed(name: str) -> None:
    pattern = TEMPLATE["Parameters"][name]["AllowedPattern"]
    for nothing in (" ", ",", " , ", "/"):
        assert not re.fullmatch(pattern, nothing)
    for something in ("", "a", " a , b/ ,"):
        assert re.fullmatch(pattern, something)


def test_the_authorizer_is_told_who_is_believed() -> None:
    told = FUNCTIONS["Authorizer"]["Environment"]["Variables"]
    assert told["OIDC_AUTHORIZED_PARTIES"] == {"Ref": "OidcAuthorizedParties"}
    assert told["OIDC_AUDIENCES"] == {"Ref": "OidcAudiences"}


def tables() -> dict[str, Any]:
    found = (table["Properties"]["TableInput"] for table in RESOURCES.values() if table["Type"] == "AWS::Glue::Table")
    return {table["Name"]: table for table in found}


@pytest.mark.parametrize("name", SOURCES)
def test_the_months_of_the_archive_are_computed_where_the_objects_are(name: str) -> None:
    table = tables()[name]
    location, values = table["Parameters"]["storage.location.template"]["Fn::Sub"]
    assert location == f"s3://${{Bucket}}/{name}/month=${{!month}}"
    assert values == {"Bucket": BUCKET}
    assert table["PartitionKeys"] == [{"Name": "month", "Type": "string"}]
    assert table["Parameters"]["projection.enabled"] == "true"
    assert table["Parameters"]["projection.month.range"] == f"{EARLIEST:%Y-%m},NOW+1MONTHS" == "1970-01,NOW+1MONTHS"


@pytest.mark.parametrize("name", SOURCES)
def test_the_tables_of_the_archive_have_the_columns_of_its_files(name: str) -> None:
    described = tables()[name]["StorageDescriptor"]["Columns"]
    assert [column["Name"] for column in described] == columns(SOURCES[name])
    moments = {column["Name"] for column in described if column["Name"].endswith("_at")}
    assert {column["Name"] for column in described if column["Type"] == "timestamp"} == moments


def unpacked(lock: Path) -> int:
    """The bytes of the packages, with their bytecode as a build makes it."""
    names = re.findall(r"^([a-z0-9][\w.-]*)==", lock.read_text(), re.MULTILINE)
    assert names
    paths = (Path(str(file.locate())) for name in names for file in files(name) or [])
    return sum(path.stat().st_size for path in paths if path.exists())


@pytest.mark.parametrize("layers", [("dependencies", "lake"), ("dependencies", "documents", "readers")])
def test_the_heaviest_functions_fit_into_lambda(layers: tuple[str, ...]) -> None:
    """250 MB for layers and code together; our own code is less than one of them."""
    locks = [ROOT / "layers" / layer / "requirements.txt" for layer in layers]
    assert 100_000_000 < sum(map(unpacked, locks)) < 249_000_000


def test_every_route_is_answered_before_api_gateway_gives_up() -> None:
    template = read_template()
    served = {route.function for route in template.routes} | {"AuthorizerFunction"}
    assert max(template.functions[name].timeout for name in served) < 30


def dashboard() -> Any:
    body: str = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    return json.loads(re.sub(r"\$\{[\w:.]+\}", "value", body))


def test_the_dashboard_shows_metrics_that_functions_emit() -> None:
    searched = " ".join(re.findall(r"SEARCH\('(.+?)',", json.dumps(dashboard()).replace('\\"', '"')))
    names = re.findall(r'"(\w+)"', searched)
    code = "".join(path.read_text() for path in (ROOT / "layers/flomastr").rglob("*.py"))
    assert {"Latency", "Failures", "DatabaseTime", "DatabaseRetries", "JobFailed", "ReplicaLag"} < set(names)
    assert [name for name in names if f'"{name}"' not in code] == []
    assert set(re.findall(r"\{\"(.+?)\",service\}", searched)) == {"FloMastr/value"}


def test_the_dashboard_names_where_each_figure_is_measured() -> None:
    for widget in dashboard()["widgets"]:
        assert widget["type"] == "metric"
        assert {"title", "region", "metrics"} <= widget["properties"].keys()
