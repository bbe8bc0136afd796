"""Products in files, whichever way they go."""

import json
from collections.abc import Callable

from charites.common.admin_export import Column, column, price, time, word
from goods.models import Goods

ID = "goods_id"
PRICES, TIMES = ("price", "market_price"), ("sale_starts_at", "sale_ends_at")
LISTS = ("head_imgs", "videos", "detail", "ext_json")
COLUMNS = (
    *(ID, "status", "title", "brief", "brand_name", "category_id", "code", *PRICES, "limit_per_buyer", *TIMES),
    *LISTS,
)


def file_columns() -> list[Column]:
    """The columns of products in a file, whichever way it goes."""
    kinds: dict[str, Callable[[str], Column]] = dict.fromkeys(PRICES, price) | dict.fromkeys(TIMES, time)
    kinds |= dict.fromkeys(LISTS, as_json) | {"status": lambda name: word(name, Goods.Status)}
    return [kinds.get(name, column)(name) for name in COLUMNS]


def as_json(name: str) -> Column:
    return Column(name, lambda goods: json.dumps(getattr(goods, name), ensure_ascii=False))
