"""Products by their titles in the admin of every app: wherever a row has the id of one, with one query a page.

The app of the goods says how titles are found. Where another service has it, the ids stand alone.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from charites.common.admin_lists import ListAdmin


@dataclass(frozen=True, slots=True)
class Product:
    """`page`: the key of its page in the admin."""

    page: int
    title: str
    is_deleted: bool = False


Row = TypeVar("Row")
Find = Callable[[Collection[int]], Mapping[int, Product]]
Count = Callable[[Collection[int]], Mapping[int, int]]
FindPage = Callable[[int, Any], str | None]

_finders: list[Find] = []
_counters: list[Count] = []
_stock_pages: list[FindPage] = []
_newest: list[Callable[[int], Mapping[int, Product]]] = []


def register_products(find: Find) -> None:
    """Lets the admin ask for the products of these ids, deleted ones too; those that never existed are left out of the
    answer."""
    _finders.append(find)


def register_newest_products(find: Callable[[int], Mapping[int, Product]]) -> None:
    """Lets the admin ask for so many of the newest products."""
    _newest.append(find)


def register_available(count: Count) -> None:
    """Lets the admin ask how many pieces there are of each of these products."""
    _counters.append(count)


def register_stock_page(find: FindPage) -> None:
    """Lets the admin ask for the address of the page that shows, or begins, the stock of a product to a user: None for
    who may not go there."""
    _stock_pages.append(find)


def stock_page_of(goods_id: int, user: Any) -> str | None:
    """Returns the address of the stock of a product, for who may go there; else, and where another service counts it,
    None."""
    return next((find(goods_id, user) for find in _stock_pages), None)


def available_of(goods_ids: Collection[int]) -> Mapping[int, int] | None:
    """Returns goods_id -> pieces available, of those that are counted; None where another service counts them."""
    if not _counters:
        return None
    return {goods_id: pieces for count in _counters for goods_id, pieces in count(goods_ids).items()}


def knows_products() -> bool:
    """Whether products are known here: else another service knows them."""
    return bool(_finders)


def newest_products(limit: int) -> dict[int, Product]:
    """Returns goods_id -> product of the newest ones, newest first; of none, where another service knows them."""
    return {goods_id: product for find in _newest for goods_id, product in find(limit).items()}


def products_of(goods_ids: Collection[int]) -> dict[int, Product]:
    """Returns goods_id -> product, of those that are known here."""
    return {goods_id: product for find in _finders if goods_ids for goods_id, product in find(goods_ids).items()}


def with_products(rows: Sequence[Row], id_field: str = "goods_id") -> list[Row]:
    """Returns the rows, each of which now knows its `known_product`, or None; one query for all."""
    wanted = {goods_id for row in rows if (goods_id := getattr(row, id_field)) is not None}
    found = products_of(wanted)
    for row in rows:
        row.known_product = found.get(getattr(row, id_field))  # type: ignore[attr-defined]
    return list(rows)


def product_of(row: Any, id_field: str = "goods_id") -> str:
    """The title of the product of a row, which links to it, and its id. The row comes from `with_products`."""
    goods_id, product = getattr(row, id_field), row.known_product
    if goods_id is None or product is None:
        return "" if goods_id is None else str(goods_id)
    return format_html('{} <span class="product-id">{}</span>', product_link(product, product.title), goods_id)


def product_id_of(row: Any) -> str:
    """As `product_of`, of a row that stands beside a title of its own."""
    return product_link(row.known_product, row.goods_id) if row.known_product else str(row.goods_id)


def product_link(product: Product, text: Any) -> str:
    return format_html('<a href="{}">{}</a>', reverse("admin:goods_goods_change", args=[product.page]), text)


class ProductAdmin(ListAdmin):
    """Rows that have the id of a product, and show `product` for it."""

    product_id_field = "goods_id"

    def completed(self, rows: Sequence[Any]) -> list[Any]:
        return with_products(rows, self.product_id_field)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        return row and self.completed([row])[0]

    def described(self, row: Any) -> str:
        product = row.known_product
        return f"{row} – {product.title}" if product else str(row)

    @admin.display(description=_("product"), ordering="goods_id")
    def product(self, row: Any) -> str:
        return product_of(row, self.product_id_field)
