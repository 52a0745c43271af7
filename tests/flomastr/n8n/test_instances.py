"""An instance gets its address and its key; the key is shown to nobody, and goes to no other address."""

from typing import Any, cast

import boto3
import pytest

from flomastr.n8n import client, reach
from flomastr.n8n.api_keys import KeyUnreadableError, decrypted, encrypted, kms
from tests.flomastr.n8n.conftest import PullEnv
from tests.support.connected import connected
from tests.support.factories import new_id
from tests.support.n8n_api import KEY, failing, said
from tests.support.s3 import Bucket


def test_an_instance_is_made_shown_and_listed_without_its_key(env: PullEnv) -> None:
    tenant = env.platform.make.tenant()
    made = env.connect(tenant)
    assert made["pull"] == {
        "n8n_url": env.api.url,
        "key_changed_at": made["pull"]["key_changed_at"],
        "state": "reading",
        "pulled_at": None,
        "next_pull_at": made["pull"]["next_pull_at"],
        "failures": 0,
        "error": None,
        "open": 0,
        "without_data": 0,
        "spared": [],
    }
    env.connect(tenant, "default")
    listed = env.ask(tenant, "GET").json
    assert [one["name"] for one in listed] == ["default", "prod"]
    assert env.ask(tenant, "GET", "/prod").json == listed[1] | {"last_seen_at": listed[1]["last_seen_at"]}
    assert env.ask(tenant, "GET", "/other").status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"n8n_url": "https://n8n.example"}, "body.api_key"),
        ({"api_key": "key"}, "body.n8n_url"),
        ({"n8n_url": "http://n8n.example", "api_key": "key"}, "body.n8n_url"),
        ({"n8n_url": "https://10.0.0.1", "api_key": "key"}, "body.n8n_url"),
        ({"n8n_url": "https://n8n.example:5678", "api_key": "key"}, "body.n8n_url"),
        ({"n8n_url": "https://user@n8n.example", "api_key": "key"}, "body.n8n_url"),
        ({"n8n_url": "https://n8n.example/?a=b", "api_key": "key"}, "body.n8n_url"),
        ({"n8n_url": "https://n8n.example", "api_key": "a key"}, "body.api_key"),
        ({"n8n_url": "https://n8n.example", "api_key": "key\r\nx: y"}, "body.api_key"),
        ({"n8n_url": "https://n8n.example", "api_key": ""}, "body.api_key"),
    ],
)
def test_what_is_missing_or_leads_elsewhere_is_refused(env: PullEnv, body: dict[str, str], field: str) -> None:
    tenant = env.platform.make.tenant()
    answer = env.ask(tenant, "PUT", "/prod", body=body)
    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (422, [field])
    assert "key\\r" not in answer.body
    assert env.ask(tenant, "GET").json == []


def test_another_address_needs_the_key_anew_and_is_read_anew(env: PullEnv) -> None:
    tenant = env.tenant()
    env.platform.superuser.execute("UPDATE app.n8n_connections SET known_id = 7, missing = '{[2,3)}'")
    answer = env.ask(tenant, "PUT", "/prod", body={"n8n_url": "https://attacker.example"})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "body.api_key")
    assert env.shown(tenant)["n8n_url"] == env.api.url
    assert env.state(tenant)["known_id"] == 7
    env.connect(tenant, api_key="another-key")
    assert env.state(tenant)["known_id"] == 7
    env.connect(tenant, n8n_url="https://other.example/n8n/api/v1/", api_key="another-key")
    assert env.shown(tenant)["n8n_url"] == "https://other.example/n8n"
    assert (env.state(tenant)["known_id"], len(env.state(tenant)["missing"])) == (0, 0)


def test_a_key_is_rotated(env: PullEnv) -> None:
    tenant = env.platform.make.tenant()
    env.connect(tenant, api_key="old-key")
    before = env.shown(tenant)["key_changed_at"]
    assert env.ask(tenant, "PUT", "/prod", body={"api_key": KEY}).status == 200
    assert env.shown(tenant)["key_changed_at"] > before
    assert env.ask(tenant, "POST", "/prod/test").json["works"] is True


def test_what_is_disconnected_has_no_key_and_is_not_read(env: PullEnv) -> None:
    tenant = env.tenant()
    assert env.ask(tenant, "DELETE", "/prod").status == 200
    assert env.ask(tenant, "GET", "/prod").json["pull"] is None
    assert env.ask(tenant, "DELETE", "/prod").status == 404
    assert env.ask(tenant, "POST", "/prod/test").status == 404
    assert env.platform.superuser.execute("SELECT count(*) FROM app.n8n_connections").fetchall() == [(0,)]
    env.run()
    assert env.api.asked == []


def test_the_key_is_encrypted_where_it_is_kept(env: PullEnv) -> None:
    tenant = env.tenant()
    kept: bytes = env.state(tenant)["api_key"]
    assert KEY.encode() not in kept
    assert decrypted(kept, tenant.id, "prod") == KEY
    for other in ((new_id(), "prod"), (tenant.id, "staging")):
        with pytest.raises(KeyUnreadableError):
            decrypted(kept, *other)
    assert encrypted(KEY, tenant.id, "prod") != kept


def test_on_aws_kms_encrypts_it_for_its_instance_alone(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", bucket.endpoint)
    kms.cache_clear()
    made = cast(Any, boto3).client("kms", endpoint_url=bucket.endpoint)
    tenant = new_id()
    with connected(ENCRYPTION_KEY=made.create_key()["KeyMetadata"]["Arn"]):
        kept = encrypted(KEY, tenant, "prod")
        assert KEY.encode() not in kept
        assert decrypted(kept, tenant, "prod") == KEY
        for other in ((new_id(), "prod"), (tenant, "staging")):
            with pytest.raises(KeyUnreadableError):
                decrypted(kept, *other)
    kms.cache_clear()


def test_a_key_that_cannot_be_decrypted_is_asked_for_anew(env: PullEnv) -> None:
    tenant = env.tenant()
    env.platform.superuser.execute("UPDATE app.n8n_connections SET api_key = '\\x00112233445566778899aabbccdd'")
    env.run()
    assert env.shown(tenant)["error"] == "The stored key cannot be decrypted: give it anew."
    assert env.ask(tenant, "POST", "/prod/test").json["executions"]["reason"] == "key_unreadable"
    assert env.api.asked == []


def test_the_test_tells_version_and_rights(env: PullEnv) -> None:
    tenant = env.tenant()
    granted = {"granted": True, "reason": None, "detail": None}
    assert env.ask(tenant, "POST", "/prod/test").json == {
        "works": True,
        "version": "2.8.4",
        "executions": granted,
        "workflows": granted,
    }
    env.api.rights, env.api.version = ("workflows",), None
    assert env.ask(tenant, "POST", "/prod/test").json == {
        "works": False,
        "version": None,
        "executions": {
            "granted": False,
            "reason": "right_missing",
            "detail": "The API key lacks the right to this.",
        },
        "workflows": granted,
    }


REASONS = {
    "key_refused": failing(401),
    "redirected": failing(301, Location="https://elsewhere.example"),
    "busy": failing(429),
    "failing": failing(502),
    "not_found": failing(404),
    "not_n8n": said("Welcome"),
    "refused_request": failing(400),
}


@pytest.mark.parametrize("reason", REASONS)
def test_the_test_names_the_reason(env: PullEnv, reason: str) -> None:
    tenant = env.tenant()
    env.api.answers = [REASONS[reason]] * 3
    answer = env.ask(tenant, "POST", "/prod/test").json
    assert (answer["works"], answer["executions"]["reason"]) == (False, reason)


@pytest.mark.parametrize(("of_a_second", "least", "most"), [(0, 990, 999), (1_000_000_000, 0, 500)])
def test_the_test_weighs_a_thousand_until_it_is_known_how_long_it_took(
    env: PullEnv, monkeypatch: pytest.MonkeyPatch, of_a_second: int, least: int, most: int
) -> None:
    monkeypatch.setattr(reach, "WEIGHT_OF_SECOND", of_a_second)
    tenant = env.tenant()
    env.platform.superuser.execute(
        "UPDATE app.rate_limits SET rate_limit_per_minute = 1000 WHERE tenant_id = %s", (tenant.id,)
    )
    taken = list[Any]()
    full = "SELECT full_at - now() > interval '30 seconds' FROM app.rate_buckets WHERE name = %s"
    env.api.answers = [lambda: taken.append(env.platform.superuser.execute(full, (str(tenant.id),)).fetchall()[0][0])]
    assert env.ask(tenant, "POST", "/prod/test").json["works"]
    left = int(env.ask(tenant, "GET", "").headers["ratelimit"].split(";")[1].removeprefix("r="))
    assert taken == [True]
    assert least <= left <= most


def test_a_version_of_odd_characters_is_shown(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.version = "2\ud800.\x00"
    assert env.ask(tenant, "POST", "/prod/test").json["version"] == "2\ufffd.\ufffd"


def test_the_test_follows_no_redirect_and_reads_no_answer_without_end(
    env: PullEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_BODY", 1_000)
    tenant = env.tenant()
    env.api.answers = [(200, {}, b'{"data": ["' + b"x" * 2_000 + b'"]}')] * 3
    assert env.ask(tenant, "POST", "/prod/test").json["executions"]["reason"] == "too_large"
