"""Events of Kong's aws-lambda plugin, for a function without a URL (kong/private.yaml).

Payload 1.0 as the plugin of Kong 3.9 makes it (kong/plugins/aws-lambda/request-util.lua); 2.0, which Kong 3.12 and
newer can send, as Amazon API Gateway has it.
"""

import base64
import json
from types import SimpleNamespace

import pytest
from conftest import call

BODY = {"text": "Ada Lovelace lived in London."}


def event_1(body="", *, method="POST", path="/"):
    headers = {"host": "kong.example.com", "content-type": "application/json", "x-request-id": "kong-7"}
    return {
        "version": "1.0",
        "resource": "/nlp/ner",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "pathParameters": {},
        "queryStringParameters": {},
        "multiValueQueryStringParameters": {},
        "body": body,
        "isBase64Encoded": False,
        "requestContext": {"path": path, "resourcePath": path, "httpMethod": method, "protocol": "HTTP/1.1"},
    }


def event_2(body="", *, method="POST", path="/"):
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "x-request-id": "kong-7"},
        "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1"}},
        "body": body,
        "isBase64Encoded": False,
    }


@pytest.fixture(params=[event_1, event_2], ids=["payload 1.0", "payload 2.0"])
def event(request):
    return request.param


@pytest.mark.parametrize("path", ["/", "/nlp/ner", "/staging/nlp/ner"])  # whether or not the route took it away
def test_a_text(service, event, path):
    answer = call(service, event(json.dumps(BODY), path=path))
    assert (answer.status, answer.headers["x-request-id"]) == (200, "kong-7")
    assert [entity["text"] for entity in answer.json["entities"]] == ["Ada Lovelace", "London"]


def test_a_body_in_base64(service, event):
    encoded = event(base64.b64encode(json.dumps(BODY).encode()).decode()) | {"isBase64Encoded": True}
    assert call(service, encoded).status == 200


@pytest.mark.parametrize("path", ["/model", "/nlp/ner/model"])
def test_what_the_function_says_of_itself(service, event, path):
    answer = call(service, event(method="GET", path=path))
    assert (answer.status, answer.json["model"]["name"]) == (200, "en_test")


def test_errors(service, event):
    assert call(service, event("{")).status == 400
    assert call(service, event(method="GET")).status == 405
    assert call(service, event(path="/x")).status == 404


def test_no_body_as_lua_leaves_it_out(service, event):
    for empty in (event(body=None), {key: value for key, value in event().items() if key != "body"}):
        assert call(service, empty).status == 400


def test_the_answer_is_one_that_the_plugin_takes(service, event):
    """validate_custom_response and extract_proxy_response: else Kong answers 502."""

    context = SimpleNamespace(aws_request_id="a", function_name="f", get_remaining_time_in_millis=lambda: 30_000)
    response = service(event(json.dumps(BODY)), context)
    assert isinstance(response["statusCode"], int)
    assert isinstance(response["body"], str)
    assert response["isBase64Encoded"] in (True, False)
    assert all(isinstance(value, str) for value in response["headers"].values())
