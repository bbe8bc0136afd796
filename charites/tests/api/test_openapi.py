"""The schema says what the API is, and its page opens without any other host."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.validation import validate_schema

from charites.common.errors import ServiceError
from charites.common.rest import Endpoint, StrictSerializer
from charites.tests.api.routes import OPEN, ROUTES
from lab.kit.processes.shop import Shop
from lab.kit.rest_client import anybody

FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER
UNDOCUMENTED = {"api/schema", "api/docs"}
METHODS = {"get", "post", "put", "patch", "delete"}
EMPTY = ("202", "204")  # answers without a body
NOT_OVER_REST = {
    "deadline_passed": "gRPC's callers say how long they wait",
    "delivery_failed": "why a message was not taken, in its row",
    "message_not_found": "told in the admin",
    "method_not_allowed": "of no operation",
    "not_found": "of no operation",
    "orders_open": "told to who runs a command",
    "record_conflict": "between services",
    "reservation_of_another": "between services",
    "stock_rolled_back": "between services",
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, content) for path, methods in schema["paths"].items() for method, content in methods.items()]


def test_schema_is_valid_and_made_without_warnings(schema: dict[str, Any]) -> None:
    validate_schema(schema)

    assert not GENERATOR_STATS, list(GENERATOR_STATS._warn_cache) + list(GENERATOR_STATS._error_cache)


def test_schema_command_agrees(tmp_path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))

    assert "/api/orders/{order_id}/pay" in (tmp_path / "schema.yaml").read_text()


def test_schema_has_every_address_of_the_api(schema: dict[str, Any]) -> None:
    routes = {route for route in ROUTES if route.startswith("api/")} - UNDOCUMENTED

    assert set(schema["paths"]) == {"/" + re.sub(r"<id:(\w+)>", r"{\1}", route) for route in routes}


def test_schema_names_the_token_where_one_is_needed(schema: dict[str, Any]) -> None:
    assert "security" not in schema
    for path, method, content in operations(schema):
        is_open = re.sub(r"\{(\w+)\}", r"<id:\1>", path.lstrip("/")) in OPEN

        assert content.get("security", []) == ([] if is_open else [{"bearer": []}]), (path, method)


def test_schema_describes_each_operation_its_answer_and_its_errors(schema: dict[str, Any]) -> None:
    identifiers = [content["operationId"] for _, _, content in operations(schema)]
    assert len(identifiers) == len(set(identifiers))
    for path, method, content in operations(schema):
        assert method in METHODS
        assert content["summary"], (path, method)
        assert {"500", "503"} < set(content["responses"]), (path, method)
        assert all(answer["description"] for answer in content["responses"].values())
        good = [
            answer for status, answer in content["responses"].items() if status.startswith("2") and status not in EMPTY
        ]
        kind = "text/event-stream" if path.endswith("/events") else "application/json"
        assert all(answer["content"][kind]["schema"] for answer in good), (path, method)
        assert set(content.get("requestBody", {}).get("content", {})) <= {"application/json"}


def test_schema_has_ids_as_strings_and_amounts_as_integers(schema: dict[str, Any]) -> None:
    order = schema["components"]["schemas"]["Order"]["properties"]
    line = schema["components"]["schemas"]["Line"]["properties"]

    assert order["order_id"]["type"] == "string"
    assert line["goods_id"]["type"] == "string"
    assert order["room_id"].items() >= {"type": ["string", "null"], "pattern": "^[0-9]{1,19}$"}.items()
    assert order["pay_amount"]["type"] == "integer"
    parameters = {p.get("name"): p for p in schema["paths"]["/api/orders/{order_id}"]["get"]["parameters"]}
    assert parameters["order_id"]["schema"]["type"] == "string"


def test_schema_takes_the_cursor_that_leads_to_the_first_one(schema: dict[str, Any]) -> None:
    parameters = {p.get("name"): p for p in schema["paths"]["/api/rooms"]["get"]["parameters"]}

    assert re.match(parameters["after"]["schema"]["pattern"], "0")
    assert not re.match(parameters["before"]["schema"]["pattern"], "0")


def docstrings() -> set[str]:
    """The first lines of what our classes say to those who read the code."""
    classes = [Endpoint, *subclasses(Endpoint), StrictSerializer]
    return {(found.__doc__ or "").strip().split("\n")[0] for found in classes} - {""}


def errors_of(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for error in base.__subclasses__():
        yield from (error, *errors_of(error))


def subclasses(parent: type) -> list[type]:
    return [found for child in parent.__subclasses__() for found in (child, *subclasses(child))]


def test_schema_says_nothing_that_is_for_those_who_read_the_code(schema: dict[str, Any]) -> None:
    told = [content.get("description", "") for _, _, content in operations(schema)]
    told += [component.get("description", "") for component in schema["components"]["schemas"].values()]

    assert len(docstrings()) > 3
    assert [text for text in told if any(line in text for line in docstrings())] == []


def contents(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where -> what is sent or answered there, of every operation."""
    for path, method, content in operations(schema):
        bodies = {"request": content["requestBody"]} if "requestBody" in content else {}
        for name, body in (bodies | content["responses"]).items():
            for found in body.get("content", {}).values():
                yield f"{method} {path} {name}", found


def test_schema_has_examples_of_every_body_and_answer_that_fit_it(schema: dict[str, Any]) -> None:
    for where, content in contents(schema):
        if not where.endswith((" 413", " 415")):
            assert content["examples"], where
        for example in content.get("examples", {}).values():
            described = {**content["schema"], "components": schema["components"]}
            jsonschema.validate(example["value"], described, format_checker=FORMATS)


def test_schema_names_every_error_that_an_operation_may_answer(schema: dict[str, Any]) -> None:
    told = {
        example["value"]["error"]
        for where, content in contents(schema)
        if re.search(r" [45]\d\d$", where)
        for example in content.get("examples", {}).values()
    }
    ours = {error.slug for error in errors_of(ServiceError) if ".tests" not in error.__module__}

    assert ours - told == NOT_OVER_REST.keys()


@pytest.mark.parametrize(
    ("operation", "slugs"),
    [
        ("put /api/rooms/{room_id}/current", {"room_not_found", "goods_not_found", "goods_not_in_room"}),
        ("post /api/orders/{order_id}/cancel", {"order_state_conflict", "payments_unavailable", "stock_busy"}),
        ("post /api/payments/notify", {"bad_signature", "payment_not_found", "stock_busy"}),
    ],
)
def test_schema_has_what_the_services_of_an_operation_raise(
    schema: dict[str, Any], operation: str, slugs: set[str]
) -> None:
    found = [content for where, content in contents(schema) if re.fullmatch(re.escape(operation) + r" [45]\d\d", where)]

    told = {example["value"]["error"] for content in found for example in content.get("examples", {}).values()}
    assert slugs <= told


def test_schema_has_the_headers_of_every_answer(schema: dict[str, Any]) -> None:
    for path, method, content in operations(schema):
        for status, answer in content["responses"].items():
            extra = {"401": {"WWW-Authenticate"}, "429": {"Retry-After"}, "503": {"Retry-After"}}.get(status, set())
            assert answer["headers"].keys() == {"X-Request-ID"} | extra, (path, method, status)


def test_operations_are_named_by_what_they_do(schema: dict[str, Any]) -> None:
    names = {content["operationId"] for _, _, content in operations(schema)}

    assert len(names) == len(operations(schema))
    assert {"place_order", "list_orders", "get_order", "pay_order", "pin_goods", "adjust_stock", "sign_in"} < names
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_schema_takes_no_other_fields_than_the_views(schema: dict[str, Any]) -> None:
    components = schema["components"]["schemas"]
    strict = {name for name, component in components.items() if component.get("additionalProperties") is False}

    assert strict == {
        "PlaceOrder",
        "Item",
        "PayOrder",
        "RefundOrder",
        "SetStock",
        "AddEndpoint",
        "ChangeEndpoint",
        "Adjustment",
        "CurrentGoods",
        "SignIn",
        "Refresh",
    }
    assert components["PlaceOrder"]["properties"]["items"]["minItems"] == 1
    assert components["PlaceOrder"]["properties"]["name"] == {"type": "string", "minLength": 1, "maxLength": 128}


def test_schema_names_every_status(schema: dict[str, Any]) -> None:
    components = schema["components"]["schemas"]
    statuses = {name: components[name]["enum"] for name in components if name.endswith("Status")}

    assert statuses == {
        "OrderStatus": [100, 200, 300, 400],
        "PaymentStatus": ["begun", "captured", "closed"],
        "RoomStatus": ["live", "off"],
        "GoodsStatus": [0, 1],
        "RefundStatus": ["pending", "requested", "done", "refused"],
    }
    assert components["OrderStatus"]["x-enum-varnames"] == ["UNPAID", "PAID", "CLOSED", "COMPLETED"]


def test_schema_calls_things_by_the_names_that_we_gave_them(schema: dict[str, Any]) -> None:
    assert spectacular_settings.ENUM_NAME_OVERRIDES.keys() <= schema["components"]["schemas"].keys()


def test_schema_has_the_idempotency_key(schema: dict[str, Any]) -> None:
    parameters = [p for p in schema["paths"]["/api/orders"]["post"]["parameters"] if "name" in p]

    assert [(p["name"], p["in"], p.get("required", False)) for p in parameters] == [
        ("Idempotency-Key", "header", False)
    ]


def test_schema_is_served_to_anybody() -> None:
    response = anybody().get("/api/schema")

    assert response.status_code == 200
    assert response["Content-Type"].startswith("application/vnd.oai.openapi")
    assert b"openapi: 3." in response.content


def test_docs_page_loads_from_this_host_alone() -> None:
    response = anybody().get("/api/docs")

    assert response.status_code == 200
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)["']""", response.text)
    assert addresses.pop() == "/api/docs?script="  # inline, it would be run by nobody: see the page's policy
    assert addresses
    for address in addresses:
        assert address.startswith("/static/"), address
        assert finders.find(address.removeprefix("/static/")), address
    assert re.findall(r"https?://[^\s\"'<]+", response.text) == []


@pytest.mark.long
@pytest.mark.servers
def test_docs_page_opens_in_a_browser_that_reaches_no_other_host(
    demo_environment: dict[str, str], tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    with Shop(tmp_path, demo_environment) as shop:
        shop.start("web")
        shop.await_web()

        page = subprocess.run(
            [
                browser,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--virtual-time-budget=20000",
                "--dump-dom",
                f"{shop.url}/api/docs",
            ],
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        ).stdout

    shown = re.findall(r'class="opblock-summary-path" data-path="([^"]+)"', page)
    assert set(shown) == set(SchemaGenerator().get_schema(request=None, public=True)["paths"])
