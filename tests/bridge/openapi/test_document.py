"""The OpenAPI document has the application's routes, schemas that are some, and says what needs a token."""

import pytest
from jsonschema import Draft202012Validator

from accounts.tokens import Token, hash_token
from bridge.app import build_app
from bridge.config import Config
from bridge.openapi.document import document

UNDOCUMENTED = {("get", "/docs/{asset}"), ("get", "/playground/{file}")}
"""What the pages are made of."""


def test_the_document_has_exactly_the_routes_of_the_application():
    paths = document([], needs_token=False)["paths"]
    documented = {(method, path) for path, methods in paths.items() for method in methods}
    routes = build_app(Config(), None).router.routes()
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in routes
        if route.resource and route.method != "HEAD"
    }
    assert served - UNDOCUMENTED == documented


def test_each_schema_of_the_document_is_one():
    def check(value):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "schema":
                Draft202012Validator.check_schema(child)
            elif isinstance(child, dict | list):
                check(child)

    check(document(["@runstream/demo"], needs_token=True))


def operations():
    """Method, path and description of each operation of a bridge that wants tokens."""
    paths = document([], needs_token=True)["paths"]
    return [(method, path, described) for path, methods in paths.items() for method, described in methods.items()]


@pytest.mark.parametrize(("method", "path", "described"), operations(), ids=lambda value: str(value)[:60])
async def test_what_the_document_says_needs_a_token_is_refused_without_a_good_one(
    start_bridge, method, path, described
):
    bridge = await start_bridge(tokens=(Token("acc", hash_token("secret"), "test"),))
    asked = path.replace("{account_id}", "acc").replace("{model}", "@runstream/demo")
    without = await bridge.ask(method, asked)
    wrong = await bridge.ask(method, asked, headers={"Authorization": "Bearer wrong"})
    # Cloudflare answers a request without credentials with 400, which no check of schemathesis takes for a refusal.
    refused = (401, 401) if path.startswith("/v1/") else (400, 401)
    assert ((without.status, wrong.status) == refused) == ("security" in described)
