"""A picture from a camera, in a real browser: the page makes it small enough to be sent."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from PIL import Image

from goods.admin.shelf import MOST_PLACES
from goods.models import Goods, Room
from goods.services import append_room_goods
from lab.kit.admin_browser import sign_in_as_staff
from lab.kit.admin_site import page_url
from lab.kit.browser import Browser
from lab.kit.factories import make_goods
from lab.kit.processes.shop import Shop, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

BOUND_SECONDS = 60  # for slow machines, no measurement
# A picture of noise, which no format makes small, as if somebody had chosen its file.
CHOOSE = """
const row = document.querySelector("[name=upload]").closest(".form-row");
row.classList.add("errors");
row.insertAdjacentHTML("afterbegin", '<ul class="errorlist"><li>This is no picture.</li></ul>');
window.said = [];
new MutationObserver(() => {
  const told = row.querySelector("[role=status]")?.textContent;
  if (told && window.said.at(-1) !== told) window.said.push(told);
}).observe(row, { subtree: true, childList: true, characterData: true });
const canvas = document.createElement("canvas");
[canvas.width, canvas.height] = [1400, 1000];
const context = canvas.getContext("2d");
const noise = context.createImageData(canvas.width, canvas.height);
let seed = 7;
noise.data.forEach((_, place) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  noise.data[place] = place % 4 === 3 ? 255 : seed >>> 24;
});
context.putImageData(noise, 0, 0);
canvas.toBlob((blob) => {
  const field = document.querySelector("[name=upload]");
  const chosen = new DataTransfer();
  chosen.items.add(new File([blob], "DSC_0001.png", { type: "image/png" }));
  field.files = chosen.files;
  window.chosenBytes = blob.size;
  field.dispatchEvent(new Event("change", { bubbles: true }));
}, "image/png");
"""
READY = "return window.chosenBytes && document.querySelector('[name=upload]').dataset.picture === 'ready'"
CHOOSE_NOTHING = """
const field = document.querySelector("[name=upload]");
const chosen = new DataTransfer();
chosen.items.add(new File([new Uint8Array(200000)], "DSC_0001.heic", { type: "image/heic" }));
field.files = chosen.files;
field.dispatchEvent(new Event("change", { bubbles: true }));
"""
TOLD = """
const field = document.querySelector("[name=upload]");
return field.dataset.picture === "ready" && field.parentElement.querySelector("[role=status]")?.textContent;
"""
SIZE = "return document.querySelector('[name=upload]').files[0].size"
TYPE = "document.querySelector('[name=detail]').value = JSON.stringify(['x'.repeat(20000)])"


@pytest.fixture
def shop(demo_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path, {**demo_environment, "MEDIA_ROOT": str(tmp_path / "media")}) as started:
        started.manage("seed").check_returncode()
        started.start("web")
        started.await_web()
        yield started


def choose(browser: Browser) -> None:
    browser.run(CHOOSE)
    wait_until(lambda: browser.run(READY), seconds=BOUND_SECONDS, what="the picture is small")
    assert browser.run("return window.chosenBytes") > 1_000_000
    assert browser.run(SIZE) < settings.REQUEST_MAX_BYTES


def save(browser: Browser) -> None:
    browser.click("[name=_continue]")
    wait_until(lambda: browser.texts(".messagelist .success"), seconds=BOUND_SECONDS, what="it is saved")


@pytest.mark.long
def test_large_picture_is_made_smaller_sent_and_seen(shop: Shop, browser: Browser, tmp_path: Path) -> None:
    goods = Goods.objects.get(goods_id=1)
    with browser.pretending(width=1280, language="en"):
        sign_in_as_staff(browser, shop.url, page_url(goods), shown="label[for=id_upload]")

        choose(browser)
        first, last = browser.run("return window.said")
        assert (first, last[:13]) == ("The picture is made smaller …", "Made smaller:")
        assert browser.texts(".form-row.errors, .form-row .errorlist") == []
        save(browser)

    address = Goods.objects.get(goods_id=1).head_imgs[-1]
    stored = Image.open(io.BytesIO((tmp_path / "media" / address.removeprefix("/media/")).read_bytes()))
    assert stored.format == "WEBP"
    assert round(stored.width / stored.height, 1) == 1.4
    assert browser.complaints() == []


@pytest.mark.long
def test_picture_is_as_small_as_what_is_typed_after_it_was_chosen_wants_it(shop: Shop, browser: Browser) -> None:
    goods = Goods.objects.get(goods_id=1)
    with browser.pretending(width=1280, language="en"):
        sign_in_as_staff(browser, shop.url, page_url(goods), shown="label[for=id_upload]")

        choose(browser)
        browser.run(TYPE)
        save(browser)

    stored = Goods.objects.get(goods_id=1)
    assert stored.detail == ["x" * 20_000]
    assert stored.head_imgs[-1].startswith("/media/")


@pytest.mark.long
def test_cover_of_a_room_with_a_long_list_is_as_small_as_the_list_wants_it(shop: Shop, browser: Browser) -> None:
    numbers = range(10_001, 10_001 + MOST_PLACES)
    append_room_goods(room_id=1, goods_ids=[make_goods(number).goods_id for number in numbers], actor="staff")
    room = Room.objects.get(room_id=1)
    with browser.pretending(width=1280, language="en"):
        sign_in_as_staff(browser, shop.url, page_url(room), shown="label[for=id_upload]")

        choose(browser)
        save(browser)

    assert Room.objects.get(room_id=1).cover.startswith("/media/")


def test_file_that_cannot_be_made_smaller_says_so_and_is_not_sent(shop: Shop, browser: Browser) -> None:
    goods = Goods.objects.get(goods_id=1)
    with browser.pretending(width=1280, language="en"):
        sign_in_as_staff(browser, shop.url, page_url(goods), shown="label[for=id_upload]")

        browser.run(CHOOSE_NOTHING)
        wait_until(lambda: browser.run(TOLD), seconds=BOUND_SECONDS, what="the page has said something")

        assert browser.run(TOLD) == "This picture cannot be made small enough here. Choose another one."
        assert browser.run("return document.querySelector('[name=upload]').files.length") == 0
