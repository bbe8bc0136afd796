"""What a page may load is said with every answer, strictly; rooms run scripts of ours, the admin and the API's
documentation also what they bring."""

from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from pytest_django.fixtures import Settings

from charites.common.rest.content_policy import HEADER, LIVE, STRICT, WITH_SCRIPTS
from lab.kit.browser import Browser
from lab.kit.factories import make_goods, make_order, make_room, make_user
from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from lab.kit.rest_client import anybody, buyer


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    ["/", "/livez", "/readyz", "/metrics", "/api/rooms", "/api/orders/1", "/api/schema", "/v1/goods", "/sandbox/pay/x"],
)
def test_page_loads_nothing_but_styles_and_pictures(path: str) -> None:
    assert buyer().get(path)[HEADER] == STRICT


@pytest.mark.django_db
def test_room_runs_scripts_of_this_host_and_asks_nobody_else() -> None:
    policy = anybody().get("/rooms/1")[HEADER]

    assert policy == LIVE
    assert "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " in policy
    assert "unsafe" not in policy


@pytest.mark.django_db
def test_redirect_to_https_has_it_too(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    response = anybody().get("/api/rooms")

    assert (response.status_code, response[HEADER]) == (301, STRICT)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/api/docs", "/api/docs?script="])
def test_page_with_scripts_runs_those_of_this_host_alone(path: str) -> None:
    policy = anybody().get(path)[HEADER]

    assert policy == WITH_SCRIPTS
    assert "script-src" not in policy
    assert "default-src 'self'; " in policy
    assert "object-src 'none'" in policy


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.slow
def test_browser_shows_every_page_without_a_complaint(
    demo_environment: dict[str, str], browser: Browser, tmp_path: Path
) -> None:
    make_goods(1, stock=5)
    make_room(1, goods_ids=[1])
    order = make_order({1: 1})
    clerk = make_user("clerk")
    get_user_model().objects.filter(pk=clerk.pk).update(is_staff=True, is_superuser=True)
    with Shop(tmp_path, demo_environment) as shop:
        shop.start("web")
        shop.await_web()

        browser.open(f"{shop.url}/api/docs")
        shown = wait_until(lambda: browser.texts(".opblock-summary-path"), seconds=START_SECONDS, what="the operations")
        browser.open(f"{shop.url}/")
        browser.open(f"{shop.url}/admin/")
        browser.run("document.querySelector('#id_username').value = 'clerk'")
        browser.run("document.querySelector('#id_password').value = 'charites'")
        browser.click("input[type=submit]")
        for page in ("goods/goods/", "goods/goods/1/change/", "orders/order/", f"orders/order/{order.pk}/change/"):
            browser.open(f"{shop.url}/admin/{page}")
            assert browser.texts("#user-tools strong") == ["CLERK"]
        said = browser.complaints()

    assert len(shown) > 10
    assert [words for words in said if "Content Security Policy" in words] == []
