"""The Chinese texts: complete, true to the English ones, and spoken over every protocol to whoever asks for them.

`make lint` compares the files with the code by means of gettext; this works on a machine without it.
"""

import ast
import gettext
import re
from ast import literal_eval
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import django
import grpc
import pytest
import rest_framework
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.db.models import Model
from django.test import Client
from django.utils import translation
from django.utils.translation import get_language

from charites.common.errors import ServiceError
from lab.kit.admin_site import OUR_APPS, ask, list_url, page_url, sign_in
from lab.kit.factories import make_goods, make_order, make_paid_order, make_stock, make_user
from lab.kit.grpc_server import Caller, grpc_callers
from lab.kit.rest_client import anybody, buyer, error_of, service
from orders.models import Order
from orders.rpc.orders_pb2 import OrderRequest
from stock.rpc.stock_pb2 import StockLevel

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = ROOT / "charites" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
OURS = [apps.get_app_config(label) for label in OUR_APPS]
MODELS = [model for app in OURS for model in app.get_models()]
ADMINS = [page for model, page in admin.site._registry.items() if model in MODELS]
FUNCTIONS = {"_", "gettext", "gettext_lazy", "ngettext", "pgettext_lazy"}
CHINESE = re.compile("[\u4e00-\u9fff]")
CONTEXT_MARK = "\x04"  # between the context and the text, as gettext files have it
PLACES = re.compile(r"%\(\w+\)[-+ 0#]*[\d.]*\w|\{\w+\}|</?\w+>|%%")
ASKS_FOR_CHINESE = ["zh-hans", "zh-Hans", "zh-CN", "zh-CN,zh;q=0.9,en;q=0.8", "zh"]
ASKS_FOR_ENGLISH = ["", "en", "en-GB,en;q=0.9", "fr", "*", "en,zh-CN;q=0.5", ";;,q=x"]

SHORT = "Not enough stock of product 1: 3 asked for, 2 left."
SHORT_IN_CHINESE = "商品 1 库存不足：需要 3 件，剩余 2 件。"
NO_TOKEN = "This needs a valid token. Send the header 'Authorization: Bearer <token>'."
NO_TOKEN_IN_CHINESE = "需要有效的令牌。请发送请求头“Authorization: Bearer <token>”。"


# Catalogue


class Entry(NamedTuple):
    """One text of the catalogue. `originals`: the singular and, where there is one, the plural."""

    key: str
    originals: list[str]
    text: str
    is_guessed: bool


def read_entries(catalogue: str) -> list[Entry]:
    """Reads a catalogue whose entries are parted by empty lines; the first one is its head."""
    blocks = [re.sub(r'"\n"', "", block) for block in catalogue.strip().split("\n\n")]
    return [read_entry(block) for block in blocks[1:]]


def read_entry(block: str) -> Entry:
    values = {name: literal_eval(text) for name, text in re.findall(r'^(msg\S+) (".*")$', block, re.MULTILINE)}
    originals = [values[name] for name in ("msgid", "msgid_plural") if name in values]
    context = values["msgctxt"] + CONTEXT_MARK if "msgctxt" in values else ""
    text = values.get("msgstr", values.get("msgstr[0]"))
    return Entry(context + values["msgid"], originals, text, bool(re.search("^#,.*fuzzy", block, re.MULTILINE)))


def compiled(file: Path) -> dict[str, str]:
    """Returns what a compiled catalogue says."""
    with file.open("rb") as opened:
        texts = vars(gettext.GNUTranslations(opened))["_catalog"]
    return {key[0] if isinstance(key, tuple) else key: text for key, text in texts.items() if key}


ENTRIES = read_entries(CATALOGUE.read_text())


def test_reader_of_catalogues_reads_what_ours_is_made_of() -> None:
    head = 'msgid ""\nmsgstr ""\n"Language: zh_Hans\\n"\n\n'
    entries = read_entries(
        head
        + 'msgctxt "time"\nmsgid "a"\nmsgstr "b"\n\n#, fuzzy, python-format\nmsgid ""\n"\\"c\\""\n" d"\nmsgstr ""\n\n'
        + 'msgid "one"\nmsgid_plural "many"\nmsgstr[0] "some"\n'
    )

    assert entries == [
        Entry("time\x04a", ["a"], "b", is_guessed=False),
        Entry('"c" d', ['"c" d'], "", is_guessed=True),
        Entry("one", ["one", "many"], "some", is_guessed=False),
    ]


def test_every_text_is_translated_and_none_is_a_guess() -> None:
    assert [entry.key for entry in ENTRIES if entry.is_guessed or not CHINESE.search(entry.text)] == []
    assert len({entry.key for entry in ENTRIES}) == len(ENTRIES) > 200


def test_both_languages_have_the_same_placeholders_and_tags() -> None:
    for entry in ENTRIES:
        places = [sorted(set(PLACES.findall(text))) for text in (*entry.originals, entry.text)]

        # A singular may say `one` where the plural has a number.
        assert places[-1] == places[-2], entry
        assert "%" not in PLACES.sub("", entry.text), entry


def test_compiled_catalogue_is_what_the_catalogue_says() -> None:
    assert compiled(CATALOGUE.with_suffix(".mo")) == {entry.key: entry.text for entry in ENTRIES}


def test_our_texts_rename_nothing_on_the_pages_of_django_and_drf() -> None:
    ours = {entry.key: entry.text for entry in ENTRIES}
    found = {}
    for package in (django, rest_framework):
        for file in Path(package.__path__[0]).glob("**/zh_Hans/LC_MESSAGES/django.mo"):
            theirs = compiled(file)
            found |= {key: (ours[key], theirs[key]) for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]}

    assert found == {}, "give these texts a context: pgettext_lazy"


# Code


def calls_of(folder: str) -> Iterator[tuple[str, ast.Call]]:
    """Yields (name of the function, call) for every call in the code of an app, tests left out."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        if "tests" not in file.relative_to(ROOT).parts and "_pb2" not in file.name:
            for node in ast.walk(ast.parse(file.read_text(), str(file))):
                if isinstance(node, ast.Call):
                    yield getattr(node.func, "id", getattr(node.func, "attr", "")), node


def texts_of(call: ast.Call) -> list[str]:
    return [argument.value for argument in call.args if isinstance(argument, ast.Constant)]


@pytest.mark.parametrize("folder", ["charites", *OUR_APPS])
def test_every_text_of_the_code_is_in_the_catalogue(folder: str) -> None:
    found = set()
    for name, call in calls_of(folder):
        if name in FUNCTIONS:
            words = texts_of(call)
            found.add(CONTEXT_MARK.join(words) if name.startswith("p") else words[0])

    assert found - {entry.key for entry in ENTRIES} == set(), "make gen, then translate"
    assert found


@pytest.mark.parametrize("folder", ["charites", *OUR_APPS])
def test_no_refusal_has_a_bare_english_reason(folder: str) -> None:
    errors = {error.__name__ for error in subclasses(ServiceError)}
    bare = []
    for name, call in calls_of(folder):
        if name in errors:
            values = [*call.args[1:], *(keyword.value for keyword in call.keywords)]  # the first names a field
            bare += [
                value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)
            ]
        elif name == "ValidationError":
            bare += texts_of(call)

    assert bare == []


def subclasses(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for found in error.__subclasses__():
        yield found
        yield from subclasses(found)


def test_every_error_has_a_chinese_text() -> None:
    errors = [error for error in subclasses(ServiceError) if ".tests." not in error.__module__]

    with translation.override("zh-hans"):
        assert [error for error in errors if not CHINESE.search(str(error.text))] == []
    assert len(errors) > 20


# Models and admin


def not_chinese(*texts: Any) -> list[str]:
    with translation.override("zh-hans"):
        return [str(text) for text in texts if not CHINESE.search(str(text))]


@pytest.mark.parametrize("app", OURS, ids=OUR_APPS)
def test_app_has_a_chinese_name(app: Any) -> None:
    assert not_chinese(app.verbose_name) == []


@pytest.mark.parametrize("model", MODELS)
def test_model_its_columns_and_choices_have_chinese_names(model: type[Model]) -> None:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    choices = [label for field in fields for value, label in field.choices or () if value != ""]

    assert not_chinese(model._meta.verbose_name, model._meta.verbose_name_plural) == []
    assert not_chinese(*(field.verbose_name for field in fields)) == []
    assert not_chinese(*choices) == []


@pytest.mark.parametrize("page", ADMINS, ids=str)
def test_admin_page_has_chinese_headings_and_actions(page: admin.ModelAdmin) -> None:
    shown = [column for column in page.list_display if column != "id"]
    actions = [getattr(page, name).short_description for name in page.actions]
    sections = [title for title, _options in page.fieldsets or () if title]
    filters = [found.title for found in page.list_filter if not isinstance(found, str)]

    with translation.override("zh-hans"):
        headings = [label_for_field(column, page.model, page) for column in shown]
    assert not_chinese(*headings, *actions, *sections, *filters) == []


@pytest.mark.parametrize("label", OUR_APPS)
def test_admin_forms_have_chinese_labels(label: str) -> None:
    forms = [found for found in vars(import_module(f"{label}.admin")).values() if hasattr(found, "declared_fields")]
    fields = [field for form in forms for field in form.declared_fields.values() if not field.widget.is_hidden]

    assert not_chinese(*(field.label for field in fields)) == []
    assert not_chinese(*(field.help_text for field in fields if field.help_text)) == []


# Pages


def words_of(page: str) -> str:
    """Returns what a reader sees of a page: neither tags nor code."""
    for hidden in (r"<!--.*?-->", r"<(script|style|code|pre)\b.*?</\1>", r"<[^>]*>"):
        page = re.sub(hidden, " ", page, flags=re.DOTALL)
    return " ".join(page.split())


@pytest.mark.django_db
def test_admin_in_chinese_shows_order_and_question_in_chinese() -> None:
    client = sign_in(make_user("mei", is_staff=True))
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-CN"
    make_goods(1, stock=5)
    order = make_order({1: 2})

    listed, page = client.get(list_url(Order)).text, client.get(page_url(order)).text
    question = ask(client, "close_orders", [order]).content.decode()

    assert {"待支付", "剩余支付时间", "关闭待支付订单"} <= set(re.findall(r"[\u4e00-\u9fff]+", words_of(listed)))
    assert f"订单 {order.order_id}" in words_of(page)
    assert "订单明细" in words_of(page)
    assert "确定关闭这些订单并释放库存？" in words_of(question)


@pytest.mark.django_db
@pytest.mark.parametrize(("asked", "language"), [("zh-CN", "zh-hans"), ("fr", "en"), ("", "en")])
def test_front_page_speaks_the_language_of_its_reader(asked: str, language: str) -> None:
    page = Client().get("/", headers={"Accept-Language": asked}).text

    assert f'<html lang="{language}">' in page
    assert ("绝不超卖" in page) is (language == "zh-hans")
    assert ("never oversells" in page) is (language == "en")


@pytest.mark.django_db
def test_pay_page_that_does_not_exist_says_so_in_chinese() -> None:
    page = Client().get("/sandbox/pay/forged", headers={"Accept-Language": "zh-hans"})

    assert page.status_code == 404
    assert words_of(page.text).startswith("支付单不存在")
    assert re.findall(r"[A-Za-z]{2,}", words_of(page.text)) == []


# REST and gateway

EXPECTED = [
    *((asked, SHORT_IN_CHINESE, NO_TOKEN_IN_CHINESE) for asked in ASKS_FOR_CHINESE),
    *((asked, SHORT, NO_TOKEN) for asked in ASKS_FOR_ENGLISH),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("asked", "short", "no_token"), EXPECTED, ids=[asked for asked, _, _ in EXPECTED])
def test_rest_and_gateway_answer_in_the_language_asked_for(asked: str, short: str, no_token: str) -> None:
    make_goods(1, stock=2)
    headers = {"Accept-Language": asked}
    body = {"items": [{"goods_id": "1", "quantity": 3}], "address": "1 Harbour Road", "name": "Li", "phone": "138"}

    assert error_of(anybody().get("/api/orders", headers)) == (401, 10000002, no_token)
    assert error_of(buyer().post("/api/orders", body, headers)) == (409, 40010003, short)
    assert error_of(anybody().post("/v1/getstock", {}, headers)) == (401, 10000002, no_token)
    assert error_of(service().post("/v1/reducestock", {"GoodsId": "1", "Num": "3"}, headers)) == (409, 40010003, short)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "items: 该字段是必填项。"),
        ({"price": 1}, "price: 不是该请求的字段"),
        ({"items": []}, "items: 列表不能为空。"),
        ({"items": [{"goods_id": "x"}]}, "items.0.goods_id: 请填写合法的整数值。"),
        (b"{", "body: 不是有效的 JSON"),
        (b" " * 70_000, "body: 超过 65536 字节的上限"),
    ],
    ids=["missing", "unknown field", "empty list", "wrong type", "broken JSON", "too large"],
)
def test_bad_input_is_named_in_chinese(body: Any, message: str) -> None:
    response = buyer().post("/api/orders", body, {"Accept-Language": "zh-CN"})

    assert error_of(response)[1:] == (10000001, message)


@pytest.mark.django_db
def test_labels_in_json_are_in_the_language_asked_for() -> None:
    make_goods(1, stock=5)
    path = f"/api/orders/{make_order({1: 1}).order_id}"

    labels = {asked: buyer().get(path, {"Accept-Language": asked}).json()["status_label"] for asked in ("zh-CN", "")}

    assert labels == {"zh-CN": "待支付", "": "unpaid"}


def test_language_of_one_request_does_not_stay_for_the_next() -> None:
    too_large = b" " * 70_000
    client = buyer()

    first = client.post("/api/orders", too_large, {"Accept-Language": "zh-CN"})
    second = client.post("/api/orders", too_large)

    assert error_of(first)[2] == "body: 超过 65536 字节的上限"
    assert error_of(second)[2] == "body: is over the limit of 65536 bytes"


# gRPC


def words(caller: Caller, asked: str) -> str:
    """Makes a call for more than there is, and returns the words of the refusal."""
    metadata = [("accept-language", asked)] if asked else []
    with pytest.raises(grpc.RpcError) as caught:
        caller.stock.ReduceStock(StockLevel(goods_id=1, num=3), metadata=metadata)
    return str(caught.value.details())


@pytest.mark.django_db(transaction=True)
def test_grpc_answers_in_the_language_asked_for() -> None:
    make_stock(1, 2)

    with grpc_callers() as callers:
        of_service, of_nobody = callers.service(), callers.anybody()
        answers = [(asked, words(of_service, asked), words(of_nobody, asked)) for asked, _, _ in EXPECTED]

    assert answers == EXPECTED
    assert get_language() == "en"


@pytest.mark.django_db(transaction=True)
def test_words_that_a_grpc_method_reads_are_in_the_language_asked_for() -> None:
    """The state of the order is read in the thread of the method, the sentence around it outside."""
    make_goods(1, stock=2)
    order_id = make_paid_order().order_id

    with grpc_callers() as callers:
        cancel, request = callers.buyer().order.CancelOrder, OrderRequest(order_id=order_id)
        with pytest.raises(grpc.RpcError) as caught:
            cancel(request, metadata=[("accept-language", "zh-CN")])

    assert caught.value.details() == f"订单 {order_id} 不能变为“已取消”：当前为“已支付”。"
