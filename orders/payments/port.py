"""The port to a payment provider, a class with these methods, named by `PAYMENT_PROVIDER`. How to add one:
docs/payment-providers.md."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.models import MAX_INT64
from charites.common.text import is_key
from charites.common.times import YEARS
from orders.errors import PaymentsUnavailable
from orders.models import CHANNEL_LENGTH, CURRENCY_LENGTH, TRADE_LENGTH
from orders.payloads import Capture


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What we ask a provider to collect: `amount` cents before `expires_at`, under our `payment_id`."""

    payment_id: int
    order_id: int
    amount: int
    currency: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What we ask a provider to send back: `amount` cents of those that came in by `trade_id`, under our `refund_id`,
    which is the payment's where all of it goes back."""

    refund_id: int
    payment_id: int
    trade_id: str
    amount: int
    currency: str


class RefundRefused(Exception):
    """A provider's word that it sends nothing back under this number, now or later. Its text is for operators."""


def wrong_fields(capture: Any) -> list[str]:
    """Returns the fields of a capture that cannot be true; providers' answers are hostile until then. Raises TypeError
    for what is none."""
    if type(capture) is not Capture:
        raise TypeError("not a capture")
    fine = {
        "payment_id": is_count(capture.payment_id),
        "trade_id": isinstance(capture.trade_id, str) and is_key(capture.trade_id, TRADE_LENGTH),
        "amount": is_count(capture.amount),
        "currency": is_currency(capture.currency),
        "captured_at": is_time(capture.captured_at),
    }
    return [name for name, is_fine in fine.items() if not is_fine]


def is_count(value: Any) -> bool:
    return type(value) is int and 0 < value <= MAX_INT64


def is_currency(value: Any) -> bool:
    return isinstance(value, str) and len(value) == CURRENCY_LENGTH and is_key(value, CURRENCY_LENGTH)


def is_time(value: Any) -> bool:
    """A time that every database keeps in every zone. A provider's clock that is years off is no reason to refuse its
    money."""
    return isinstance(value, datetime) and value.tzinfo is not None and value.year in YEARS


def check_notice(capture: Capture) -> Capture:
    """Returns what a rightly signed notice says. Raises Invalid, which names every field that cannot be true."""
    if wrong := wrong_fields(capture):
        raise Invalid.of([Invalid(name, _("is not that of a captured payment")) for name in wrong])
    return capture


class Provider(Protocol):
    """Every call may raise anything; the caller treats that as no answer. None is made inside a transaction.

    A call ends within its `timeout_seconds`, answered or not.
    """

    channel: str

    def begin(self, request: PaymentRequest, *, outcome: str, timeout_seconds: float, now: datetime) -> str:
        """Opens a payment and returns the address of its pay page. Asking again for the same payment is harmless.
        `outcome`: what whoever tries the sandbox out wants of it, `now` or `page`; nothing for others."""

    def close(self, payment_id: int, *, timeout_seconds: float, now: datetime) -> Capture | None:
        """Makes sure that no money comes in any more: None when closed, the capture when it came in before."""

    def query(self, payment_id: int, *, timeout_seconds: float) -> Capture | None:
        """Returns the capture of a payment, or None while there is none."""

    def refund(self, request: RefundRequest, *, timeout_seconds: float, now: datetime) -> None:
        """Sends money back. Once per `refund_id`: the same again, also at the same moment, is harmless. Raises
        RefundRefused, which is no missing answer but an answer."""

    def read_notice(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture | None:
        """Returns the capture that a callback reports; None for a callback about something else, which is then
        answered with success. Raises BadSignature, Invalid."""


METHODS = [name for name in vars(Provider) if not name.startswith("_")]


def faults_of(provider: object) -> list[str]:
    """Returns why an object is no provider: what it lacks, methods that cannot be called as the port says, and a
    channel that no column can hold."""
    lacking = [name for name in ("channel", *METHODS) if not hasattr(provider, name)]
    faults = [f"it lacks {', '.join(lacking)}"] if lacking else []
    channel = getattr(provider, "channel", None)
    if "channel" not in lacking and not (isinstance(channel, str) and is_key(channel, CHANNEL_LENGTH)):
        faults.append(f"its channel is no word of 1 to {CHANNEL_LENGTH} printable ASCII characters")
    misfits = {name: misfit(name, getattr(provider, name)) for name in METHODS if name not in lacking}
    return faults + [f"{name} is called with {words}" for name, words in misfits.items() if words]


def misfit(name: str, method: Any) -> str:
    """With what the port calls a method, and why this one does not take that; empty where it does."""
    _self, *taken = inspect.signature(getattr(Provider, name)).parameters.values()
    try:
        inspect.signature(method).bind(
            *(each.name for each in taken if each.kind is not each.KEYWORD_ONLY),
            **{each.name: None for each in taken if each.kind is each.KEYWORD_ONLY},
        )
    except TypeError as error:
        names = inspect.Signature([each.replace(annotation=inspect.Parameter.empty) for each in taken])
        return f"{names}: {error}"
    return ""


@cache
def _provider(path: str) -> Provider:
    provider: Provider = import_string(path)()
    return provider


def get_provider() -> Provider:
    """Returns the configured provider. Raises PaymentsUnavailable when none is."""
    if not settings.PAYMENT_PROVIDER:
        raise PaymentsUnavailable
    return _provider(settings.PAYMENT_PROVIDER)
