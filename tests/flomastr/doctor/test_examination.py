"""The doctor, against what is right and against each thing that is wrong: named, and none ends the examination."""

import json
import secrets
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from dev.services.postgres import Cluster, create_database, free_port
from flomastr import object_storage
from flomastr.doctor import buckets, examination, reach
from flomastr.doctor.capacity import DIRECT, of_connections
from flomastr.doctor.clocks import of_clock, of_lag
from flomastr.doctor.examination import examine
from flomastr.doctor.pools import of_mode
from flomastr.doctor.schema import of_partitions
from flomastr.doctor.servers import of_pgvector
from flomastr.doctor.verdicts import Report, Verdict, fail, ok
from flomastr.recovery import backup_storage
from functions.doctor.handler import lambda_handler
from tests.support import oidc_issuer, pgbouncer, s3
from tests.support.backup_env import bucket_of_its_own
from tests.support.connected import connected, through
from tests.support.databases import dropped_after
from tests.support.embeddings_endpoint import Endpoint
from tests.support.events import Context
from tests.support.managed_pool import Authority, provided
from tests.support.pgbouncer import needs_pgbouncer
from tests.support.proxy import proxy

NONE = dict.fromkeys(
    ("ARCHIVE_BUCKET", "UPLOADS_BUCKET", "BACKUP_BUCKET", "EMBEDDINGS_URL", "OIDC_JWKS_URL", "OIDC_ISSUER"), ""
)
DATABASE_CHECKS = {check.__name__ for check in examination.OF_THE_DATABASE}


def of_url(url: str) -> Report:
    with connected(DATABASE_URL=url, **NONE):
        return examine()


def statuses(report: Report) -> dict[str, str]:
    """Of what is not as it should be."""
    return {finding.name: finding.status for finding in report.findings if finding.status != "ok"}


def of(name: str, report: Report) -> str:
    """What was seen, and what to do."""
    (finding,) = [finding for finding in report.findings if finding.name == name]
    return f"{finding.seen}. {finding.to_do}"


def test_nothing_is_wrong_with_a_job_that_connects_directly(job_url: str) -> None:
    report = of_url(job_url)
    assert (report.status, statuses(report)) == ("ok", {})
    assert of("pool_mode", report) == "no pool, directly to Postgres. "
    assert of("connection", report).startswith("flo_job at 127.0.0.1:")
    assert report.skipped["rows_without_tenant"] == "connected as flo_job, and not as flo_app"
    assert report.skipped["archive_bucket"] == "ARCHIVE_BUCKET names none"
    assert report.skipped["uploads_bucket"] == "UPLOADS_BUCKET names none"
    assert report.skipped["backup_bucket"] == "BACKUP_BUCKET names none"


@needs_pgbouncer
def test_a_transaction_pool_is_right_for_requests_and_wrong_for_jobs(direct_url: str, job_url: str) -> None:
    with pgbouncer.pgbouncer(direct_url, pool_size=1) as url:
        report = of_url(url)
        assert (report.status, statuses(report)) == ("ok", {})
        assert of("pool_mode", report) == "a pool in transaction mode. "
        assert of("prepared_statements", report).startswith("not tracked by the pool")
        assert of("rows_without_tenant", report) == "none are seen. "
        assert of("prepared_statements", of_url(url)).startswith("not tracked by the pool")  # it leaves none behind


@needs_pgbouncer
@pytest.mark.parametrize(("mode", "status"), [("session", "warn"), ("statement", "fail")])
def test_a_pool_in_another_mode_is_told(direct_url: str, mode: str, status: str) -> None:
    with pgbouncer.running(direct_url, mode=mode) as pooler:
        report = of_url(pgbouncer.pooled(direct_url, pooler))
    assert statuses(report)["pool_mode"] == status
    assert f"A pool in {mode} mode" in of("pool_mode", report)


def test_each_role_has_its_mode() -> None:
    found = {
        (mode, role): of_mode(mode, role).status
        for mode in ("direct", "transaction", "session", "statement")
        for role in ("flo_app", "flo_job", "doadmin")
    }
    assert [pair for pair, status in found.items() if status == "ok"] == [
        *(("direct", "flo_job"), ("direct", "doadmin"), ("transaction", "flo_app")),
        *(("session", "flo_job"), ("session", "doadmin")),
    ]
    assert found["transaction", "flo_job"] == found["statement", "flo_app"] == "fail"
    assert found["direct", "flo_app"] == found["session", "flo_app"] == "warn"


def test_a_superuser_and_an_owner_are_told_that_functions_refuse_them(server: Cluster, database: str) -> None:
    superuser = of_url(server.url("postgres", database))
    assert statuses(superuser) == {"role": "fail"}
    assert of("role", superuser).startswith("postgres is a superuser. Functions refuse to serve so")
    owner = of_url(server.url("flomastr_admin", database))
    assert statuses(owner) == {"role": "warn"}
    assert of("role", owner).startswith("flomastr_admin owns the tables. Right for migrations")


@contextmanager
def unmigrated(server: Cluster) -> Generator[tuple[str, str]]:
    name = f"unmigrated_{secrets.token_hex(4)}"
    url = create_database(server, name)
    with dropped_after(server, name):
        yield url, server.url("postgres", name)


def test_a_database_without_schema_and_pgvector_is_told_both(server: Cluster) -> None:
    with unmigrated(server) as (url, superuser):
        assert statuses(of_url(url)) == {"role": "warn", "migrations": "fail"}
        with psycopg.connect(superuser) as conn:
            conn.execute("DROP EXTENSION vector")
        report = of_url(url)
    assert statuses(report) == {"role": "warn", "migrations": "fail", "pgvector_version": "fail"}
    assert "is offered and not installed. Run the migrations as a role" in of("pgvector_version", report)
    assert of("migrations", report).startswith("There is no schema of the platform. Run the migrations")
    assert report.skipped["partitions"] == "there is no schema of the platform"


@pytest.mark.parametrize(
    ("installed", "offered", "status", "said"),
    [
        (None, None, "fail", "Choose a server that offers pgvector 0.7.4 or later"),
        ("0.6.2", "0.8.5", "fail", "Run ALTER EXTENSION vector UPDATE"),
        ("0.7.3", "0.7.3", "fail", "Ask for a server with pgvector 0.7.4 or later"),
        ("0.7.4", "0.7.4", "warn", "graphs are not scanned on"),
        ("0.8.2", "0.8.2", "warn", "vacuum may corrupt an HNSW index"),
        ("0.8.3", "0.8.3", "warn", "REINDEX"),
        ("0.8.4", "0.8.5", "warn", "Run ALTER EXTENSION vector UPDATE"),
        ("0.8.4", "0.8.4", "ok", ""),
        ("0.10.0", "0.10.0", "ok", ""),
    ],
)
def test_an_old_pgvector_is_refused_and_one_with_faults_is_told(
    installed: str | None, offered: str | None, status: str, said: str
) -> None:
    verdict = of_pgvector(installed, offered)
    assert verdict.status == status
    assert said in f"{verdict.seen}. {verdict.to_do}"


def test_a_table_that_was_opened_and_a_schema_that_is_behind_are_named(
    server: Cluster, database: str, superuser: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flomastr.doctor.schema.NEEDED_MIGRATION", "9999_later")
    superuser.execute("ALTER TABLE app.workflows NO FORCE ROW LEVEL SECURITY")
    try:
        report = of_url(server.url("flo_job", database))
    finally:
        superuser.execute("ALTER TABLE app.workflows FORCE ROW LEVEL SECURITY")
    assert statuses(report) == {"row_level_security": "fail", "migrations": "fail"}
    assert of("row_level_security", report).startswith("Open: workflows. ")
    assert "9999_later is needed" in of("migrations", report)


def test_a_host_that_refuses_and_one_that_is_silent_end_no_examination(
    direct_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = of_url(f"postgresql://flo_app@127.0.0.1:{free_port()}/flomastr")
    assert statuses(refused) == {"connection": "fail"}
    assert "Connection refused" in of("connection", refused)
    assert refused.skipped.keys() >= DATABASE_CHECKS
    monkeypatch.setattr("flomastr.database.connection.CONNECT_SECONDS", 0.2)
    with proxy(1) as between:
        between.blackhole = True
        silent = of_url(through(between.port, direct_url))
    assert statuses(silent) == {"connection": "fail"}
    assert of("connection", silent).endswith(reach.NO_ANSWER)
    malformed = of_url("no url at all")
    assert statuses(malformed) == {"ca_certificate": "fail", "connection": "fail"}


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ('server certificate for "a" does not match host name "b"', "Use the host name that the provider gives"),
        ('root certificate file "/tmp/ca.crt" does not exist', "Put the cluster's CA certificate where"),
        ("server does not support SSL, but SSL was required", "The server and sslmode disagree"),
        ('no pg_hba.conf entry for host "1.2.3.4"', "Let this address in"),
        ('FATAL:  role "flo_app" does not exist', "Run the migrations, which make the role"),
        ('FATAL:  database "x" does not exist', "Correct the name of the database"),
        ("FATAL:  no such database: x", "Correct the name of the database"),
        ("remaining connection slots are reserved", "The server has no connection left"),
        ('could not translate host name "x" to address', "Correct the host name"),
        ("", "Look at host and port"),
    ],
)
def test_what_libpq_says_has_its_cure(said: str, cure: str) -> None:
    assert reach.refusal(psycopg.OperationalError(said)).to_do.startswith(cure)


def test_a_check_that_hangs_is_left_behind_and_one_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "SECONDS", 0.05)
    end = threading.Event()

    def hanging() -> Verdict:
        end.wait()
        return ok("too late")

    def broken() -> Verdict:
        raise KeyError("missing")

    assert examination.bounded(hanging) == fail(
        "No answer within 0.05 s", "Look whether what it asks lives, and lets this network in."
    )
    end.set()
    assert examination.bounded(broken) == fail(
        "KeyError: 'missing'", "Read what it says; the other findings may explain it."
    )


@needs_pgbouncer
def test_a_certificate_is_verified_and_another_authority_is_told(
    direct_url: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with provided(direct_url, database) as managed, connected(**NONE):
        managed.require("first")
        managed.answer_with("first")
        right = examine()
        assert statuses(right) == {"ca_certificate": "warn"}  # which is good for a day
        assert of("encryption", right).startswith("TLS, and the server's certificate and name are verified")
        managed.answer_with("first", Authority("Another authority"))
        reach.database_url(fresh=True)
        wrong = examine()
        assert statuses(wrong) == {"ca_certificate": "warn", "connection": "fail"}
        assert of("connection", wrong).endswith("download the cluster's CA certificate again.")
        managed.answer_with("wrong")
        reach.database_url(fresh=True)
        assert of("connection", examine()).endswith("Correct the user and password of the URL.")


@contextmanager
def issuer(**more: str) -> Generator[oidc_issuer.Issuer]:
    with oidc_issuer.serving() as serving:
        named = {"OIDC_JWKS_URL": serving.url, "OIDC_ISSUER": oidc_issuer.ISSUER, "OIDC_METADATA_URL": serving.url}
        with connected(**(NONE | named | more)):
            yield serving


def test_tokens_without_an_email_are_told_with_what_to_do(job_url: str) -> None:
    with issuer(DATABASE_URL=job_url):
        good = examine(oidc_issuer.token())
        assert of("token", good) == "names its person, with a verified e-mail. "
        assert of("issuer_keys", good) == "1 of 1 keys can be used. "
        bare = examine(oidc_issuer.token(email=None, email_verified=None))
        assert of("token", bare).startswith("It has no email and no email_verified. Let the issuer put")
        other = examine(oidc_issuer.token(iss="https://another.test"))
        assert "Compare OidcIssuer" in of("token", other) and other.status == "fail"
        assert statuses(examine()).keys() == {"issuer_metadata"}  # which here is the list of keys


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ({"issuer": oidc_issuer.ISSUER, "claims_supported": ["sub", "email", "email_verified"]}, "ok", ""),
        ({"issuer": oidc_issuer.ISSUER, "claims_supported": ["sub"]}, "warn", "carry email and email_verified"),
        ({"issuer": "https://issuer.test/"}, "fail", "It calls itself https://issuer.test/"),
        ([], "warn", "Correct OidcMetadataUrl"),
    ],
)
def test_an_issuer_says_whether_it_is_the_one_and_knows_an_email(
    job_url: str, answer: object, status: str, said: str
) -> None:
    with issuer(DATABASE_URL=job_url) as serving:
        serving.answer = json.dumps(answer).encode()
        report = examine()
    assert statuses(report).get("issuer_metadata", "ok") == status
    assert said in of("issuer_metadata", report)
    assert statuses(report)["issuer_keys"] == "fail"  # since keys were asked for at the same address


ERASED = ["PutObject", "GetObject", "ListBucket", "ListBucketVersions", "DeleteObjectVersion", "DeleteObject"]
KEPT = [
    *("PutObject", "GetObject", "ListBucket", "AbortMultipartUpload", "GetBucketObjectLockConfiguration"),
    *("PutObjectRetention", "GetObjectRetention", "DeleteObject"),
]
OPERATIONS = {  # as boto3 calls verbs of policies, where it calls them otherwise
    "ListBucket": "ListObjectsV2",
    "ListBucketVersions": "ListObjectVersions",
    "DeleteObjectVersion": "DeleteObject",
    "GetBucketObjectLockConfiguration": "GetObjectLockConfiguration",
    "GetObjectRetention": "HeadObject",
}


@pytest.mark.parametrize("name", ["archive_bucket", "uploads_bucket"])
def test_a_bucket_is_tried_and_left_as_it_was(job_url: str, bucket: s3.Bucket, name: str) -> None:
    own = bucket if name == "archive_bucket" else bucket.uploads
    with connected(**(NONE | {"DATABASE_URL": job_url, name.upper(): own.name})):
        assert of(name, examine()) == f"{own.name} is written, read, listed and emptied. "
        assert own.keys("doctor/") == []
    with connected(**(NONE | {"DATABASE_URL": job_url, name.upper(): "another"})):
        report = examine()
        assert statuses(report) == {name: "fail"}
        refused = ", ".join(f"{verb}: NoSuchBucket" for verb in ERASED)
        assert of(name, report).startswith(f"another refuses {refused}. Name a bucket that exists, and give these")


@pytest.mark.parametrize("locked", [True, False])
def test_a_bucket_of_backups_is_tried_with_and_without_object_lock(
    job_url: str, bucket: s3.Bucket, locked: bool
) -> None:
    with (
        bucket_of_its_own(bucket, ObjectLockEnabledForBucket=locked) as own,
        connected(**(NONE | {"DATABASE_URL": job_url, "BACKUP_BUCKET": own.name})),
    ):
        assert of("backup_bucket", examine()) == f"{own.name} is written, read, listed and emptied. "
        assert own.keys("doctor/") == []
        versions = own.client.list_object_versions(Bucket=own.name).get("Versions", [])
        assert len(versions) == locked
        assert "Uploads" not in own.client.list_multipart_uploads(Bucket=own.name)


@pytest.mark.parametrize(
    ("name", "verb"),
    [(name, verb) for name in ("archive_bucket", "uploads_bucket") for verb in ERASED]
    + [("backup_bucket", verb) for verb in KEPT],
)
def test_a_verb_that_a_bucket_refuses_is_named(bucket: s3.Bucket, name: str, verb: str) -> None:
    with bucket_of_its_own(bucket, ObjectLockEnabledForBucket=True) as own:
        client = backup_storage.client() if name == "backup_bucket" else object_storage.client()
        with connected(**(NONE | {name.upper(): own.name})), refusing(client, verb):
            verdict = getattr(buckets, name)()
    assert verdict.status == "fail"
    assert f"{verb}: AccessDenied" in verdict.seen
    needs = {"GetBucketObjectLockConfiguration": 3, "PutObjectRetention": 2}  # what cannot be seen without it
    assert verdict.seen.count("AccessDenied") == needs.get(verb, 1)


@dataclass
class Raw:
    body: bytes = b""

    def stream(self, **_: Any) -> list[bytes]:
        return [self.body]


@contextmanager
def refusing(client: Any, verb: str) -> Generator[None]:
    """As storage answers who has every right but this one."""

    def refuse(request: Any, **_: Any) -> AWSResponse | None:
        if ("versionId=" in request.url) != (verb == "DeleteObjectVersion"):
            return None
        if verb == "GetObjectRetention":
            return AWSResponse(request.url, 200, HTTPHeaders(), Raw())  # and no date
        return AWSResponse(request.url, 403, HTTPHeaders(), Raw(b"<Error><Code>AccessDenied</Code></Error>"))

    event = f"before-send.s3.{OPERATIONS.get(verb, verb)}"
    client.meta.events.register(event, refuse)
    try:
        yield
    finally:
        client.meta.events.unregister(event, refuse)


@pytest.mark.parametrize(
    ("answered", "status", "said"), [(200, "ok", "for 5 tokens"), (429, "warn", "429"), (401, "fail", "EmbeddingsUrl")]
)
def test_the_embeddings_endpoint_is_asked_for_a_vector(
    job_url: str, embeddings: Endpoint, answered: int, status: str, said: str
) -> None:
    rightly = embeddings.answer
    with (
        connected(**(NONE | {"DATABASE_URL": job_url, "EMBEDDINGS_URL": embeddings.url})),
        embeddings.answering(rightly if answered == 200 else lambda _: (answered, {})),
    ):
        report = examine()
    assert statuses(report).get("embeddings", "ok") == status
    assert said in of("embeddings", report)


def test_a_replica_that_is_none_and_one_that_is_dead_are_told(job_url: str, direct_url: str) -> None:
    dead = f"postgresql://flo_app@127.0.0.1:{free_port()}/none"
    for url, said in ((direct_url, "replica_url leads to a primary. "), (dead, "Reads go to the primary: ")):
        with connected(**(NONE | {"DATABASE_URL": job_url, "DATABASE_REPLICA_URL": url})):
            report = examine()
        assert statuses(report) == {"replica": "fail" if url == direct_url else "warn"}
        assert of("replica", report).startswith(said)


def test_the_function_answers_in_json(job_url: str) -> None:
    with connected(DATABASE_URL=job_url, **NONE):
        answer = json.loads(json.dumps(lambda_handler({}, Context())))
    assert answer["status"] == "ok"
    assert {"name": "role", "status": "ok", "seen": "flo_job, which owns and bypasses nothing", "to_do": ""} in answer[
        "findings"
    ]
    assert answer["skipped"]["token"] == "none was given"


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("days", "status"), [(0, "fail"), (6, "warn"), (7, "ok"), (14, "ok")])
def test_partitions_reach_a_week_ahead(days: int, status: str) -> None:
    assert of_partitions([NOW + timedelta(days=days), NOW + timedelta(days=30)], 2, NOW).status == status
    assert of_partitions([NOW + timedelta(days=days)], 2, NOW).status == "fail"  # one class has none


def test_limits_are_told_on_both_sides() -> None:
    assert [of_clock(skew).status for skew in (2.0, 2.1, 30.0, 30.1)] == ["ok", "warn", "warn", "fail"]
    with connected(REPLICA_MAX_LAG_SECONDS="10"):
        assert [of_lag(seconds).status for seconds in (10.0, 10.1)] == ["ok", "warn"]
    assert [of_connections(limit, 1).status for limit in (21, 22)] == ["fail", "ok"]
    assert [of_connections(100, used).status for used in (80, 81)] == ["ok", "warn"]
    assert "ClusterMemory=4), which leaves 77 for the pool" in of_connections(97, 1).seen


def test_what_functions_open_directly_is_what_their_page_says() -> None:
    from dev.docs import connections

    sandboxes, functions = connections.read()
    sums = dict(connections.sums(sandboxes, functions, [str(size) for size in DIRECT]))
    assert sums["direct ones, at most"] == list(DIRECT.values())


def test_the_command_ends_with_an_error_where_something_fails(
    server: Cluster, database: str, job_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dev.doctor import doctor
    from dev.errors import StartupError

    with connected(DATABASE_URL="", **NONE):
        doctor(job_url, "", as_json=True)
        assert json.loads(capsys.readouterr().out)["status"] == "ok"
    with connected(DATABASE_URL="", **NONE):
        with pytest.raises(StartupError, match=r"^Failed: role\.$"):
            doctor(server.url("postgres", database), "", as_json=False)
        assert "superuser" in capsys.readouterr().out
    with pytest.raises(StartupError, match="make doctor DATABASE_URL="):
        doctor("", "", as_json=False)
