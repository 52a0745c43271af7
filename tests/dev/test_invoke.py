"""What a function gets when nobody says what to send it."""

from pathlib import Path

from dev.aws.template import read_template
from dev.invoke import usual


def test_a_function_gets_what_its_trigger_would_send(collection: Path, fed: Path) -> None:
    with_routes, with_queues = read_template(collection / "template.yaml"), read_template(fed / "template.yaml")
    assert usual("EchoFunction", with_routes)["rawPath"] == "/echo"
    assert usual("OpenFunction", with_routes)["detail-type"] == "Scheduled Event"
    assert usual("WorkFunction", with_queues) == {"Records": []}
    guard = usual("GuardFunction", with_routes)
    assert (guard["type"], guard["identitySource"]) == ("REQUEST", ["Bearer"])
    assert usual("SmokeFunction", read_template()) == {}
