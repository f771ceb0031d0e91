"""Cold starts, told by the headers."""

import pytest
from conftest import call, function_url_event

from burst_ner.environment import Environment


def seen(make_service, initialization_type, idle_s):
    """(x-ner-cold-start, x-ner-init-type) of two requests; the first begins idle_s after the initialisation."""
    now = 1_000.0
    environment = Environment(initialization_type, now=lambda: now)
    service = make_service(environment=environment)
    now += idle_s
    answers = [call(service, function_url_event({"text": "a"})) for _ in range(2)]
    return [(a.headers["x-ner-cold-start"], a.headers["x-ner-init-type"]) for a in answers]


@pytest.mark.parametrize(
    ("initialization_type", "idle_s", "expected"),
    [
        ("on-demand", 0.0, [("1", "on-demand"), ("0", "on-demand")]),
        ("on-demand", 0.99, [("1", "on-demand"), ("0", "on-demand")]),
        ("on-demand", 1.0, [("0", "proactive")] * 2),
        ("on-demand", 600.0, [("0", "proactive")] * 2),
        ("provisioned-concurrency", 0.0, [("0", "provisioned")] * 2),
        ("snap-start", 0.0, [("0", "snapstart")] * 2),
    ],
)
def test_cold_is_a_first_request_that_waited_for_its_environment(make_service, initialization_type, idle_s, expected):
    assert seen(make_service, initialization_type, idle_s) == expected


def test_a_refused_first_request_was_cold_too(make_service):
    service = make_service()
    answers = [call(service, function_url_event(body)) for body in ("{", {"text": "a"})]
    assert [a.headers["x-ner-cold-start"] for a in answers] == ["1", "0"]


def test_an_instance_keeps_its_id(make_service):
    one, other = make_service(), make_service()
    ids = [call(s, function_url_event({"text": "a"})).headers["x-ner-instance"] for s in (one, one, other)]
    assert ids[0] == ids[1] != ids[2]
