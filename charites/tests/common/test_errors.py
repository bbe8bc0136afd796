"""The catalogue: every number once, the original's numbers kept, texts that say what happened and no more."""

import re

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError
from django.utils import translation

import goods.errors
import messaging.errors
import orders.errors
import stock.errors
from charites.common import errors
from charites.common.errors import Busy, InternalError, Invalid, Kind, NotFound, ServiceError, as_service_error

MODULES = (errors, goods.errors, stock.errors, orders.errors, messaging.errors)
CATALOGUE = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ServiceError) and value is not ServiceError
    },
    key=lambda error: error.__name__,
)

KEPT = {
    "InternalError": (10000000, Kind.INTERNAL),
    "Invalid": (10000001, Kind.INVALID),
    "Unauthenticated": (10000002, Kind.UNAUTHENTICATED),
    "NotFound": (10000003, Kind.NOT_FOUND),
    "UnknownError": (10000004, Kind.INTERNAL),
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
    "OrderStateConflict": (50010006, Kind.CONFLICT),
    "OrderFailed": (50010007, Kind.INTERNAL),
    "KeyReused": (10000009, Kind.KEY_REUSED),
}


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

    assert error.message == "Not enough stock of goods 3: 2 asked for, 1 left."
    with translation.override("zh-hans"):
        assert re.search(r"[\u4e00-\u9fff]", error.message)


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
