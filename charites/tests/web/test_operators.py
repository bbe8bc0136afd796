"""What is not for buyers: who sees it, and that those who watch over a process reach it by its address."""

from collections.abc import Iterator

import grpc
import pytest
from django.core.cache import cache
from django.test import Client
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from pytest_django.fixtures import Settings

from charites.common.rpc import installed_methods
from charites.common.rpc.asgi import GrpcApp
from charites.management.commands.call import describe
from lab.kit.grpc_server import REFLECTIONS, grpc_callers, reflect
from lab.kit.rest_client import anybody, staff

TOKEN = "the-token-of-those-who-run-the-shop-0123456789-0123456789"
PARTS = {"/metrics": "metrics", "/api/docs": "docs", "/api/schema": "docs"}
BY_ADDRESS = {"Host": "10.42.8.201:8000"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _closed(settings: Settings) -> Iterator[None]:
    settings.PUBLIC_PARTS, settings.OPERATORS_TOKEN = [], TOKEN
    return


@pytest.mark.parametrize("path", PARTS)
def test_part_is_seen_with_the_operators_token_alone(path: str) -> None:
    assert anybody().get(path, {"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert anybody().get(path).status_code == 401
    assert anybody().get(path, {"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
    assert staff().get(path).status_code == 401


@pytest.mark.parametrize("path", PARTS)
def test_part_that_is_public_is_seen_by_everybody_and_no_other(path: str, settings: Settings) -> None:
    settings.PUBLIC_PARTS = [PARTS[path]]

    seen = {other for other in PARTS if anybody().get(other).status_code == 200}

    assert seen == {other for other, part in PARTS.items() if part == PARTS[path]}


@pytest.mark.parametrize("path", PARTS)
@pytest.mark.parametrize("header", ["Bearer ", "Bearer", ""])
def test_nobody_has_the_token_that_is_not_set(path: str, header: str, settings: Settings) -> None:
    settings.OPERATORS_TOKEN = ""

    assert anybody().get(path, {"Authorization": header}).status_code == 401


def test_readiness_is_told_to_everybody_and_its_parts_to_operators() -> None:
    cache.clear()  # no worker and no sweep of another test is alive here
    for_all = anybody().get("/statusz")
    for_operators = anybody().get("/statusz", {"Authorization": f"Bearer {TOKEN}"})

    assert for_all.json() == {"status": "not ready"}
    assert for_all.status_code == for_operators.status_code == 503
    assert for_operators.json()["checks"]["database"]["ok"]


def test_front_page_links_what_everybody_sees(settings: Settings) -> None:
    closed = Client().get("/").text
    settings.PUBLIC_PARTS = ["metrics", "docs", "reflection"]
    opened = Client().get("/").text

    hidden = ("/metrics", "/api/docs", "/api/schema", "with reflection")
    assert [words for words in hidden if words in closed] == []
    assert [words for words in hidden if words not in opened] == []


@pytest.mark.parametrize("version", REFLECTIONS)
def test_server_that_does_not_describe_itself_has_no_reflection(version: str) -> None:
    with grpc_callers() as callers, pytest.raises(grpc.RpcError) as refused:
        list(reflect(callers.anybody().client.channel, version, [ServerReflectionRequest(list_services="*")]))

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert describe(refused.value) == (
        "The server does not describe itself: PUBLIC_PARTS, where it runs, has to name reflection."
    )


def test_other_transport_has_no_reflection_either() -> None:
    assert [path for path in GrpcApp(installed_methods())._streams if "reflection" in path] == []


@pytest.mark.parametrize("https_only", [False, True])
def test_probe_by_address_is_answered(https_only: bool, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = https_only
    settings.PUBLIC_PARTS = ["metrics"]
    cache.clear()

    answers = {
        path: anybody().get(path, BY_ADDRESS).status_code for path in ("/livez", "/readyz", "/statusz", "/metrics")
    }

    assert answers == {"/livez": 200, "/readyz": 200, "/statusz": 503, "/metrics": 200}  # 503: no worker, no sweep


@pytest.mark.parametrize("path", ["/", "/admin/", "/api/rooms", "/v1/goods"])
@pytest.mark.parametrize("https_only", [False, True])
def test_buyer_by_address_is_refused(path: str, https_only: bool, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = https_only

    assert anybody().get(path, BY_ADDRESS).status_code == 400
