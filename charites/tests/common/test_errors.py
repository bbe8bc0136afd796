"""The catalogue: every number once, the original's numbers kept, texts that say what happened and no more."""

import copy
import pickle
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError
from django.utils import translation
from django.utils.translation import gettext_lazy as _

import goods.errors
import messaging.errors
import orders.errors
import stock.errors
from charites.common import errors, rpc
from charites.common.errors import Busy, InternalError, Invalid, Kind, NotFound, ServiceError, as_service_error, joined
from charites.common.text import check_key

MODULES = (errors, rpc, goods.errors, stock.errors, orders.errors, messaging.errors)
ROOT = Path(__file__).resolve().parents[3]


def all_below(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    """Every error of ours; tests make their own, which do not count."""
    for error in base.__subclasses__():
        if ".tests" not in error.__module__:
            yield error
        yield from all_below(error)


CATALOGUE = sorted(set(all_below(ServiceError)), key=lambda error: error.__name__)
KEPT = {
    "OverBuyersLimit": (40010008, Kind.CONFLICT),
    "TooManyUnpaid": (50010008, Kind.CONFLICT),
    "PriceChanged": (50010009, Kind.CONFLICT),
    "SaleNotStarted": (30010002, Kind.CONFLICT),
    "SaleOver": (30010003, Kind.CONFLICT),
    "InternalError": (10000000, Kind.INTERNAL),
    "Invalid": (10000001, Kind.INVALID),
    "Unauthenticated": (10000002, Kind.UNAUTHENTICATED),
    "NotFound": (10000003, Kind.NOT_FOUND),
    "Busy": (10000004, Kind.BUSY),
    "OutcomeUnknown": (10000005, Kind.UNKNOWN),
    "Forbidden": (10000006, Kind.FORBIDDEN),
    "Limited": (10000007, Kind.LIMITED),
    "MethodNotAllowed": (10000008, Kind.INVALID),
    "GoodsNotFound": (30010001, Kind.NOT_FOUND),
    "StockBusy": (40010001, Kind.BUSY),
    "StockNotFound": (40010002, Kind.NOT_FOUND),
    "NotEnoughStock": (40010003, Kind.CONFLICT),
    "StockChanged": (40010004, Kind.CONFLICT),
    "StockRolledBack": (40010007, Kind.CONFLICT),
    "OrderNotFound": (50010003, Kind.NOT_FOUND),
    "OrderArchived": (50010018, Kind.NOT_FOUND),
    "OrderStateConflict": (50010006, Kind.CONFLICT),
    "OrderFailed": (50010007, Kind.INTERNAL),
    "KeyReused": (10000009, Kind.KEY_REUSED),
}


def test_every_error_is_in_a_module_of_errors_or_of_the_adapter():
    assert {error for error in CATALOGUE if error not in {getattr(m, error.__name__, None) for m in MODULES}} == set()


def test_every_error_has_a_number_of_its_own():
    numbers = Counter(error.code for error in CATALOGUE)

    assert len(CATALOGUE) > 30
    assert [code for code, times in numbers.items() if times > 1] == []


def filled(error: type[ServiceError]) -> ServiceError:
    """An error with a value for every place in its text."""
    if error is Invalid:
        return Invalid("field", "is missing")
    names = re.findall(r"%\((\w+)\)s", str(error.text))
    return error(**dict.fromkeys(names, 7))


@pytest.mark.parametrize("name", KEPT)
def test_number_and_kind_of_the_originals_errors_are_kept(name):
    found = {error.__name__: (error.code, error.kind) for error in CATALOGUE}

    assert found[name] == KEPT[name]


@pytest.mark.parametrize("error", CATALOGUE, ids=lambda error: error.__name__)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_error_has_a_whole_text_in_both_languages(error, language):
    with translation.override(language):
        message = filled(error).message

    assert message
    assert "%(" not in message


def test_text_comes_in_the_language_of_the_reader():
    error = stock.errors.NotEnoughStock(goods_id=3, requested=2, available=1)

    assert error.message == "Not enough stock of product 3: 2 asked for, 1 left."
    with translation.override("zh-hans"):
        assert re.search(r"[\u4e00-\u9fff]", error.message)


def through_pickle(protocol: int) -> Callable[[ServiceError], ServiceError]:
    return lambda error: pickle.loads(pickle.dumps(error, protocol))


PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {protocol}": through_pickle(protocol) for protocol in PROTOCOLS},
}


def texts(error: ServiceError) -> list[str]:
    """What the error says in each language."""
    said = []
    for language in ("en", "zh-hans"):
        with translation.override(language):
            said += [error.message, str(error)]
    return said


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("error", CATALOGUE, ids=lambda error: error.__name__)
def test_every_error_can_be_copied_and_pickled(error, make):
    original = filled(error)

    made = make(original)

    assert type(made) is error
    assert made is not original
    assert (made.details, made.args, texts(made)) == (original.details, original.args, texts(original))


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(
    "original",
    [
        Invalid("items", _("has more than %(limit)s lines"), limit=100),
        orders.errors.OrderStateConflict(order_id=5, wanted=_("cancelled"), found=_("paid")),
    ],
    ids=["text", "details"],
)
def test_a_copy_is_still_told_in_the_language_of_the_reader(original, make):
    made = make(original)

    assert texts(made) == texts(original)
    assert texts(made)[0] != texts(made)[2]


def test_a_copy_keeps_nothing_of_the_call_that_raised():
    try:
        raise NotFound from ValueError("the cause")
    except NotFound as error:
        made = copy.copy(error)

    assert (made.__traceback__, made.__cause__, made.__context__) == (None, None, None)


def test_invalid_names_the_field_and_the_reason():
    error = Invalid("items", "has more than %(limit)s lines", limit=100)

    assert error.message == "items: has more than 100 lines"
    assert error.details == {"field": "items", "limit": 100}


def test_as_service_error_lets_the_catalogue_pass():
    error = NotFound()

    assert as_service_error(error) is error


@pytest.mark.parametrize("error", [OperationalError(2006, "gone"), InterfaceError("closed")])
def test_as_service_error_of_a_database_that_is_away_is_busy(error):
    assert type(as_service_error(error)) is Busy


@pytest.mark.parametrize("error", [ValueError("secret"), IntegrityError(1062, "secret"), KeyError("secret")])
def test_as_service_error_of_anything_else_hides_its_text(error):
    found = as_service_error(error)

    assert type(found) is InternalError
    assert "secret" not in found.message + str(found)


@pytest.mark.parametrize(
    ("name", "first", "second", "expected"),
    [
        ("accept", "a", "b", "a,b"),
        ("accept", "a", "a", "a,a"),
        ("idempotency-key", "a", "a", "a"),
        (b"idempotency-key", "a", "a", "a"),
    ],
)
def test_header_that_comes_twice(name: str, first: str, second: str, expected: str) -> None:
    assert joined(name, first, second) == expected


def test_two_keys_that_differ_are_no_key() -> None:
    with pytest.raises(Invalid):
        check_key(joined("idempotency-key", "a", "b"))
