from pathlib import Path

import pytest

from dev.aws.template import DeadLetters, Notice, Queue, read_template
from dev.errors import StartupError
from dev.paths import ROOT


def test_a_function_is_read_with_its_folder_layers_and_variables(collection: Path) -> None:
    template = read_template(collection / "template.yaml", {"OidcIssuer": "https://issuer"})
    echo = template.functions["EchoFunction"]
    assert echo.folder == collection / "echo"
    assert echo.layers == (collection / "shared",)
    assert echo.environment == {"GREETING": "hello", "ISSUER": "https://issuer", "DATABASE_URL": ""}
    assert (echo.timeout, echo.memory, echo.schedules, echo.queues) == (1, 128, (), ())


def test_a_route_knows_its_methods_and_who_guards_it(collection: Path) -> None:
    routes = {route.path: route for route in read_template(collection / "template.yaml").routes}
    assert routes["/echo"].key == "ANY /echo"
    assert routes["/echo/{id}/part"].key == "GET /echo/{id}/part"
    assert routes["/open"].authorizer is None
    guard = routes["/echo"].authorizer
    assert guard
    assert (guard.function, guard.headers, guard.seconds) == (
        "GuardFunction",
        ("authorization",),
        60,
    )


def test_schedules_are_read(collection: Path) -> None:
    template = read_template(collection / "template.yaml")
    assert template.functions["OpenFunction"].schedules == ("rate(2 hours)",)


def test_queues_are_read_with_how_they_are_handed_over(fed: Path) -> None:
    functions = read_template(fed / "template.yaml").functions
    assert functions["WorkFunction"].queues == (Queue("WorkQueue", 5, True, 1, DeadLetters("WorkDeadLetters", 2)),)
    assert functions["SlowFunction"].queues == (Queue("SlowQueue", 10, False, 30, None),)


def test_what_buckets_tell_queues_is_read() -> None:
    assert read_template().notices == (Notice("UploadsBucket", "s3:ObjectCreated:*", "IngestQueue"),)


def test_a_function_is_found_by_its_short_name_and_an_unknown_one_is_reported(collection: Path) -> None:
    template = read_template(collection / "template.yaml")
    assert template.function("echo").name == "EchoFunction"
    with pytest.raises(StartupError, match=r"There is no function nobody: .* has .*EchoFunction"):
        template.function("nobody")


def test_a_missing_template_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot be read"):
        read_template(tmp_path / "template.yaml")


def test_every_function_folder_is_in_the_template_and_the_reverse() -> None:
    folders = {function.folder for function in read_template().functions.values()}
    assert folders - {ROOT / "schema"} == set((ROOT / "functions").iterdir())
