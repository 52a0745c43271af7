"""What Athena, Trino and Spark see: the cold tier by the tables of template.yaml alone, without any code of ours."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from samcli import yamlhelper

from dev.aws.template import TEMPLATE
from functions.archive.handler import lambda_handler
from tests.support.archive_env import COLD_ROWS, TODAY, ArchiveEnv
from tests.support.factories import Tenant

TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMP WITH TIME ZONE", "int": "INTEGER"}
YAML: Any = yamlhelper  # which has no types
RESOURCES = YAML.yaml_parse(TEMPLATE.read_text())["Resources"]
TABLES: dict[str, Any] = {
    table["Properties"]["TableInput"]["Name"]: table["Properties"]["TableInput"]
    for table in RESOURCES.values()
    if table["Type"] == "AWS::Glue::Table"
}


def location(table: dict[str, Any], bucket: Path, month: str) -> Path:
    """Where the projection finds a month: `Fn::Sub` leaves `${!month}` to Athena as `${month}`."""
    template = table["Parameters"]["storage.location.template"]["Fn::Sub"][0].replace("${!", "${")
    return Path(template.replace("s3://${Bucket}", str(bucket)).replace("${month}", month))


def months(table: dict[str, Any]) -> list[str]:
    """As they are computed from the range, one after the other, in the format that the table says."""
    parameters = table["Parameters"]
    assert (parameters["projection.month.format"], parameters["projection.month.interval.unit"]) == (
        "yyyy-MM",
        "MONTHS",
    )
    first, last = parameters["projection.month.range"].split(",")
    assert last == "NOW+1MONTHS"
    year, month = map(int, first.split("-"))
    count = (TODAY.year - year) * 12 + TODAY.month - month + 2
    return [f"{year + (month - 1 + n) // 12}-{(month - 1 + n) % 12 + 1:02}" for n in range(count)]


def scan(name: str, bucket: Path) -> duckdb.DuckDBPyRelation:
    """The table, with its columns in their types and the month that each file's key says."""
    table = TABLES[name]
    assert [key["Name"] for key in table["PartitionKeys"]] == ["month"]
    columns = [(column["Name"], TYPES[column["Type"]]) for column in table["StorageDescriptor"]["Columns"]]
    parts = list[str]()
    for month in months(table):
        for path in location(table, bucket, month).rglob("*.parquet"):
            found = duckdb.read_parquet(str(path), hive_partitioning=False)
            assert list(zip(found.columns, map(str, found.types), strict=True)) == columns, path
            parts.append(f"SELECT *, '{month}' AS month FROM read_parquet('{path}', hive_partitioning = false)")
    return duckdb.sql(" UNION ALL ".join(parts))


@pytest.fixture
def tenant(env: ArchiveEnv) -> Tenant:
    env.partitions_since(1)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for hours in range(3):
        env.execution(
            tenant, workflow, 7.6 + hours / 24, error_message="Ünexpected \"|'\n", n8n_execution_id=str(hours)
        )
    for age in (40, 80, 400, 2000):
        env.execution(tenant, workflow, age, retention_class=0, execution_data={"age": age, "text": "\u2028 'é"})
        env.session(tenant, workflow, TODAY - timedelta(days=age), user_id=f"user_{age}")
    return tenant


def test_the_tables_of_the_template_find_the_rows_as_they_were_hot(
    env: ArchiveEnv, tenant: Tenant, tmp_path: Path
) -> None:
    executions, chats = env.rows(tenant), env.chats(tenant)
    env.run(lambda_handler)
    assert env.hot(tenant) == [] and env.sessions(tenant) == []
    for key in env.objects():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(env.object(key))

    found = scan("workflow_executions", tmp_path)
    assert sorted(found.select(COLD_ROWS).fetchall()) == executions
    moment_in_id = "('0x' || replace(left(id, 13), '-', ''))::bigint"
    assert found.filter(f"month <> strftime(make_timestamp({moment_in_id} * 1000), '%Y-%m')").fetchall() == []
    assert set(found.select("tenant_id").fetchall()) == {(str(tenant.id),)}

    found = scan("webchat_sessions", tmp_path)
    assert sorted(found.select("id, user_id, session_key, message_count, messages").fetchall()) == chats
