"""When a product is sold, as columns of its row. Both times are written together: what stands there fits together."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from goods.models import Goods

YEARS = range(2000, 2101)  # of sales: others are slips of the finger
TYPED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")  # as browsers send it


def is_time(goods: Goods, now: datetime) -> bool:
    """Whether the times alone would let it be sold."""
    has_begun = goods.sale_starts_at is None or goods.sale_starts_at <= now
    return has_begun and (goods.sale_ends_at is None or now < goods.sale_ends_at)


def starting(goods: Goods, now: datetime) -> dict[str, Any]:
    """The product can be bought from now on, until its sale ends."""
    ends_at = goods.sale_ends_at
    is_over = ends_at is not None and ends_at <= now
    return {"status": Goods.Status.ON_SALE, **times(now, None if is_over else ends_at)}


def ending(goods: Goods, now: datetime) -> dict[str, Any]:
    """Its sale is over. One that has not begun never did."""
    starts_at = goods.sale_starts_at
    has_begun = starts_at is not None and starts_at < now
    return times(starts_at if has_begun else None, now)


def typed(form: Mapping[str, str]) -> dict[str, Any]:
    """The times in a form, in UTC. Raises Invalid."""
    starts_at, ends_at = typed_time(form, "starts"), typed_time(form, "ends")
    if starts_at and ends_at and ends_at <= starts_at:
        raise Invalid("ends", _("must be later than when the sale starts"))
    return times(starts_at, ends_at)


def typed_time(form: Mapping[str, str], field: str) -> datetime | None:
    """A time in a form; None where nothing is typed. Raises Invalid."""
    text = form.get(field, "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text) if TYPED.fullmatch(text) else None
    except ValueError:  # a 31st of February
        moment = None
    if moment is None:
        raise Invalid(field, _("must be a time such as 2026-11-11T20:00, in UTC"))
    if moment.year not in YEARS:
        raise Invalid(field, _("must be in one of the years 2000 to 2100"))
    return moment.replace(tzinfo=UTC)


def times(starts_at: datetime | None, ends_at: datetime | None) -> dict[str, Any]:
    return {"sale_starts_at": starts_at, "sale_ends_at": ends_at}
