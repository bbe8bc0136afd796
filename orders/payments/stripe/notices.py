"""Stripe's events: signed, repeated, late, in any order. Only those of money that came in are news to the shop."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import stripe
import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.strict_json import read_json
from charites.common.text import whole
from orders.errors import BadSignature
from orders.payloads import Capture
from orders.payments.port import check_notice

log = structlog.get_logger(__name__)

CHANNEL = "stripe"
# What sessions, payments and refunds carry at Stripe, so that its events and its report name ours.
PAYMENT_MARK, REFUND_MARK = "charites_payment_id", "charites_refund_id"
TOLERANCE_SECONDS = 300
# The second one is of money that takes days, such as a bank transfer: the first has come by then, and said `unpaid`.
OF_MONEY = ("checkout.session.completed", "checkout.session.async_payment_succeeded")


def read_event(*, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture | None:
    """Returns the capture that an event reports; None where it reports none. Raises BadSignature, Invalid."""
    check_signature(headers.get("stripe-signature", ""), body, now)
    event = read_json(body)
    if not isinstance(event, dict) or event.get("object") != "event":
        raise Invalid("body", _("is not an event of Stripe"))
    session = session_of(event)
    if event.get("type") not in OF_MONEY or session.get("payment_status") != "paid" or not is_ours(event):
        return None
    marks = session.get("metadata")
    if not isinstance(marks, dict) or PAYMENT_MARK not in marks:
        return None  # another program's, on the same account
    capture = Capture(
        payment_id=whole(str(marks[PAYMENT_MARK])) or 0,
        channel=CHANNEL,
        trade_id=session.get("payment_intent", ""),
        amount=session.get("amount_total", 0),
        currency=str(session.get("currency", "")).upper(),
        captured_at=as_time(event.get("created")),
    )
    return check_notice(capture)


def check_signature(header: str, body: bytes, now: datetime) -> None:
    """Raises BadSignature unless one of the secrets has signed the body, within five minutes."""
    for secret in (settings.STRIPE_WEBHOOK_SECRET, *settings.STRIPE_WEBHOOK_SECRET_FALLBACKS):
        try:
            # The library would look at this machine's clock, and let the future pass. Ours is the database's.
            stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
        except (stripe.SignatureVerificationError, ValueError, TypeError):  # the last two: no UTF-8, no ASCII
            continue
        if abs(now.timestamp() - signed_at(header)) <= TOLERANCE_SECONDS:
            return
    raise BadSignature


def signed_at(header: str) -> int:
    """The time in a header that the library has read."""
    parts = (part.split("=") for part in header.split(","))
    return next(int(part[1]) for part in parts if part[0] == "t")


def is_ours(event: Mapping[str, Any]) -> bool:
    """Whether an event is of our account, and of real money where the key is for that."""
    is_live = settings.STRIPE_API_KEY.partition("_")[2].startswith("live_")
    if not event.get("account") and event.get("livemode") is is_live:
        return True
    log.warning("event_of_another_account", event_id=str(event.get("id"))[:64], account=str(event.get("account"))[:64])
    return False


def session_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """The session in an event; nothing where there is none."""
    data = event.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def as_time(created: Any) -> Any:
    """A time as Stripe writes it; what is none stays what it is, for the port to refuse."""
    try:
        return datetime.fromtimestamp(created, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return created
