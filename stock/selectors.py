"""Reading stock."""

from collections.abc import Sequence
from typing import Any

from charites.common.pages import Cursor, Page, read_page
from stock.errors import StockNotFound
from stock.models import Stock, StockAdjustment, StockRecord


def get_stock(*, goods_id: int) -> Stock:
    """Returns the stock of one product. Raises StockNotFound."""
    stock = Stock.objects.filter(goods_id=goods_id).first()
    if stock is None:
        raise StockNotFound(goods_id=goods_id)
    return stock


def list_stock(*, goods_ids: Sequence[int]) -> list[Stock]:
    """Returns the stock rows that exist, by goods_id."""
    return list(Stock.objects.filter(goods_id__in=goods_ids).order_by("goods_id"))


def list_few(*, goods_ids: Sequence[int], few: int, most: int) -> list[tuple[int, int]]:
    """Returns goods_id and pieces available of those of the products of which there are at most `few`, fewest first,
    and `most` of them at most. Of what is not counted yet there is none."""
    counted = dict(Stock.objects.filter(goods_id__in=goods_ids).values_list("goods_id", "available"))
    stock = [(goods_id, counted.get(goods_id, 0)) for goods_id in goods_ids]
    found = sorted(((available, goods_id) for goods_id, available in stock if available <= few))
    return [(goods_id, available) for available, goods_id in found[:most]]


def page_stock(cursor: Cursor, **wanted: Any) -> Page[Stock]:
    """Returns a page of stock rows with these values, by goods_id."""
    return read_page(Stock.objects.filter(**wanted).order_by("goods_id"), "goods_id", cursor, keys_first=True)


def list_records(*, order_ids: Sequence[int]) -> list[StockRecord]:
    """Returns the stock records of orders, by order and goods."""
    return list(StockRecord.objects.filter(order_id__in=order_ids).order_by("order_id", "goods_id"))


def list_adjustments(*, goods_id: int, limit: int | None = None) -> list[StockAdjustment]:
    """Returns the adjustments of one product, newest first; `limit`: the newest only."""
    return list(StockAdjustment.objects.filter(goods_id=goods_id).order_by("-id")[:limit])
