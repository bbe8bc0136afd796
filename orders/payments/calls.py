"""Every call to a provider. Whatever it raises, and whatever makes no sense, is no answer: PaymentsUnavailable, or
PaymentUnanswered (which is one, too) where the provider may have done what it was asked."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import httpx
import structlog

from charites.common import tracing
from charites.common.errors import Invalid, Kind, ServiceError
from charites.common.text import is_key
from orders.errors import BadSignature, PaymentsUnavailable, PaymentUnanswered
from orders.models import Payment
from orders.payloads import Capture
from orders.payments.port import PaymentRequest, Provider, RefundRefused, RefundRequest, get_provider, wrong_fields

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 5
ADDRESS_LENGTH = 2048

Answer = TypeVar("Answer")


class Nonsense(Exception):
    """A provider answered something that cannot be."""


def begin(request: PaymentRequest, *, channel: str, outcome: str, now: datetime) -> str:
    """Opens a payment; returns the address of its pay page. Raises PaymentsUnavailable."""
    return ask(
        "begin",
        channel,
        request.payment_id,
        lambda provider: provider.begin(request, outcome=outcome, timeout_seconds=TIMEOUT_SECONDS, now=now),
        check_address,
    )


def close(payment: Payment, *, timeout_seconds: float, now: datetime) -> Capture | None:
    """Closes a payment: None, or the capture that came before. Raises PaymentsUnavailable."""
    return ask(
        "close",
        payment.channel,
        payment.payment_id,
        lambda provider: provider.close(payment.payment_id, timeout_seconds=timeout_seconds, now=now),
        lambda answer: check_answer(answer, payment),
    )


def query(payment: Payment) -> Capture | None:
    """Returns the capture of a payment, or None while there is none. Raises PaymentsUnavailable."""
    return ask(
        "query",
        payment.channel,
        payment.payment_id,
        lambda provider: provider.query(payment.payment_id, timeout_seconds=TIMEOUT_SECONDS),
        lambda answer: check_answer(answer, payment),
    )


def refund(request: RefundRequest, *, channel: str, now: datetime) -> None:
    """Sends money back. Raises RefundRefused, PaymentsUnavailable."""
    ask(
        "refund",
        channel,
        request.payment_id,
        lambda provider: provider.refund(request, timeout_seconds=TIMEOUT_SECONDS, now=now),
        check_nothing,
    )


def read_notice(*, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture | None:
    """Returns the capture that a callback reports, or None. Raises BadSignature, Invalid, PaymentsUnavailable."""
    provider = get_provider()
    try:
        capture = provider.read_notice(headers=headers, body=body, now=now)
        if capture is not None:
            check_capture(capture)
    except (BadSignature, Invalid):
        raise
    except Exception as error:
        log.warning("provider_failed", error=repr(error))
        raise PaymentsUnavailable from error
    return capture


def ask(
    what: str, channel: str, payment_id: int, question: Callable[[Provider], Answer], check: Callable[[Any], None]
) -> Answer:
    """Asks the provider of a channel and checks the answer."""
    try:
        provider = get_provider()
        if provider.channel != channel:
            raise PaymentsUnavailable from LookupError(
                f"the provider in charge is {provider.channel!r}, not {channel!r}"
            )
        with tracing.span(f"provider {what}", kind="CLIENT", channel=channel, payment_id=str(payment_id)):
            answer = question(provider)
            check(answer)
    except RefundRefused as error:
        log.warning("refund_refused_by_provider", payment_id=payment_id, error=str(error))
        raise
    except PaymentsUnavailable as error:
        log.warning("provider_not_asked", payment_id=payment_id, error=reason_of(error))
        raise
    except Exception as error:
        log.warning("provider_failed", payment_id=payment_id, error=repr(error))
        raise (PaymentUnanswered if may_be_done(error) else PaymentsUnavailable) from error
    return answer


def may_be_done(error: Exception) -> bool:
    """Whether a provider that answered so may have done what it was asked: unless it says itself that it did not, or
    there was no connection."""
    if isinstance(error, ServiceError):
        return error.kind is Kind.UNKNOWN
    return not isinstance(error, ConnectionRefusedError | httpx.ConnectError | httpx.ConnectTimeout)


def check_address(answer: Any) -> None:
    is_address = isinstance(answer, str) and is_key(answer, ADDRESS_LENGTH)
    if not is_address or not answer.startswith(("https://", "http://")):
        raise Nonsense(f"an address of a pay page: {answer!r}")


def check_capture(answer: Any) -> None:
    if wrong := wrong_fields(answer):
        raise Nonsense(f"a capture with another {', '.join(wrong)}: {answer!r}")


def check_answer(answer: Any, payment: Payment) -> None:
    """The capture of this very payment, or nothing."""
    if answer is None:
        return
    check_capture(answer)
    if (answer.payment_id, answer.channel) != (payment.payment_id, payment.channel):
        raise Nonsense(f"a capture of another payment: {answer!r}")


def check_nothing(answer: Any) -> None:
    if answer is not None:
        raise Nonsense(f"to a refund: {answer!r}")


def reason_of(error: Exception) -> str:
    """Why a provider gave no answer, for operators."""
    return repr(error.__cause__ or error)
