"""Stripe's events: signed, repeated, late, in any order; only those of money that came in are news to the shop."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import stripe
import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.strict_json import read_json
from orders.errors import BadSignature
from orders.payloads import Capture

log = structlog.get_logger(__name__)

TOLERANCE_SECONDS = 300
OF_MONEY = ("checkout.session.completed", "checkout.session.async_payment_succeeded")


def read_event(*, headers: Mapping[str, str], body: bytes, now: datetime) -> Capture | None:
    """Returns the capture that an event reports; None for one that reports none. Raises BadSignature, Invalid."""
    check_signature(headers.get("stripe-signature", ""), body, now)
    event = read_json(body)
    if not isinstance(event, dict) or event.get("object") != "event":
        raise Invalid("body", _("is no event of Stripe"))
    if event.get("type") not in OF_MONEY or not is_ours(event):
        return None
    session = event.get("data", {}).get("object", {}) if isinstance(event.get("data"), dict) else {}
    if not isinstance(session, dict) or session.get("payment_status") != "paid":
        return None
    metadata = session.get("metadata") if isinstance(session.get("metadata"), dict) else {}
    number = str(metadata.get("payment_id", ""))
    if not number:
        return None  # another program's session
    return Capture(
        payment_id=int(number) if number.isascii() and number.isdigit() and len(number) < 20 else 0,
        channel="stripe",
        trade_id=session.get("payment_intent") or "",
        amount=session.get("amount_total"),  # type: ignore[arg-type]  # whatever it is: the port looks at it
        currency=str(session.get("currency", "")).upper(),
        captured_at=moment(event.get("created")),
    )


def check_signature(header: str, body: bytes, now: datetime) -> None:
    """Raises BadSignature unless one of the secrets signed the body, within five minutes."""
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, ValueError):
            continue
        if is_near(header, now):
            return
    raise BadSignature


def is_near(header: str, now: datetime) -> bool:
    """Whether a (verified) header is of this time: the library lets those of the future pass."""
    signed_at = next(int(part[2:]) for part in header.split(",") if part.startswith("t="))
    return abs(now.timestamp() - signed_at) <= TOLERANCE_SECONDS


def is_ours(event: Mapping[str, Any]) -> bool:
    """Whether an event is of our account, and of real money where ours is."""
    is_live = not settings.STRIPE_SECRET_KEY.startswith(("sk_test", "rk_test"))
    ours = event.get("account", "") in ("", settings.STRIPE_ACCOUNT) and event.get("livemode") is is_live
    if not ours:
        log.warning("event_of_another_account", event=str(event.get("id"))[:64], account=str(event.get("account"))[:64])
    return ours


def moment(created: object) -> datetime:
    """A time as Stripe writes it. Raises Invalid."""
    try:
        return datetime.fromtimestamp(int(str(created)), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid("created", _("is no time")) from error
