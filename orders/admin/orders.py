"""Orders and their lines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timesince import timeuntil
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from charites.common import clock
from charites.common.admin import ReadOnlyAdmin, Report, actor_of, confirmed, with_username
from charites.common.admin_export import Column, ExportAdmin, column, price, time, word
from charites.common.admin_lists import Total
from charites.common.admin_products import ProductAdmin, product_id_of, product_of, with_products
from charites.common.admin_sections import Section, section
from charites.common.auth import Permission
from charites.common.money import money
from goods.selectors import list_existing_rooms
from orders import selectors, services
from orders.admin.filters import PlacedFilter, RefundedFilter, RoomFilter
from orders.admin.money import CAME_BACK, payments_section, refunds_section
from orders.admin.refund_page import RefundableAdmin
from orders.models import Order, OrderDetail
from orders.personal_data import masked
from orders.refunds import read_accounts
from stock import selectors as stock_selectors
from stock.models import StockRecord


def sees_personal_data(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(Permission.VIEW_PERSONAL_DATA))


def in_words(pieces: Mapping[int, int]) -> str:
    return "; ".join(f"{goods_id} × {num}" for goods_id, num in sorted(pieces.items()))


def of_refunded(orders: Sequence[Order]) -> str | None:
    """What has to be known before these orders of the list are completed."""
    number = sum(1 for order in orders if selectors.refunded_of(order))
    words = ngettext(
        "%(number)s of them has been refunded, wholly or in part.",
        "%(number)s of them have been refunded, wholly or in part.",
        number,
    )
    return words % {"number": number} if number else None


def with_room_titles(rows: Sequence[Any]) -> list[Any]:
    """Returns the rows, each of which now knows the title of its room; one query for all."""
    wanted = {row.room_id for row in rows if row.room_id} if "goods" in settings.APPS else set()
    titles = {room.room_id: room.title for room in list_existing_rooms(room_ids=wanted)} if wanted else {}
    for row in rows:
        row.room_title = titles.get(row.room_id)
    return list(rows)


ROOM = Column("room", lambda row: row.room_title)


class UserNames(ReadOnlyAdmin):
    """Rows of users, shown by name where this service knows them."""

    search_user_id = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_username(super().get_queryset(request))

    @admin.display(description=_("user"), ordering="user_id")
    def user(self, row: Any) -> str:
        return row.username or str(row.user_id)


@admin.register(Order)
class OrderAdmin(RefundableAdmin, ExportAdmin, UserNames):
    list_display = (
        *("order_id", "user", "status", "shown_amount", "shown_refunded", "created_at", "expires_in", "closed_by"),
    )
    list_filter = ("status", RefundedFilter, PlacedFilter, RoomFilter, "closed_by")
    ordered_filters = ("status", PlacedFilter.parameter_name)
    ordering = ("-order_id",)
    id_fields = ("order_id", "user_id")
    prefix_fields = ("receive_phone",)
    fieldsets = (
        (None, {"fields": ("order_id", "user", "status", "closed_by", "room_id", "created_at", "expires_at")}),
        (_("Payment"), {"fields": ("shown_amount", "shown_refunded", "pay_channel", "trade_id", "pay_time")}),
        (_("Receiver"), {"fields": ("receive_name", "receive_phone", "receive_address")}),
        (_("Row"), {"fields": ("idempotency_key", "version", "updated_at", "updated_by"), "classes": ("collapse",)}),
    )
    actions = ("close_orders", "complete_orders")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Order | None:
        """The order, with masks for who may not see personal data; nothing is ever saved from here."""
        order = super().get_object(request, object_id, from_field)
        return order if order is None or sees_personal_data(request) else masked(order)

    def export_columns(self, request: HttpRequest) -> Sequence[Column]:
        """The receiver's only for who may see personal data."""
        receiver = [column(name) for name in ("receive_name", "receive_phone", "receive_address")]
        return [
            *(column("order_id"), Column("user", self.user), column("user_id"), word("status", Order.Status)),
            *(
                column("closed_by"),
                column("room_id"),
                ROOM,
                Column("items (goods_id × pieces)", lambda order: in_words(order.account.bought)),
            ),
            Column("returned (goods_id × pieces)", lambda order: in_words(order.account.returned)),
            *(price("pay_amount"), price("refunded"), time("created_at"), time("expires_at")),
            *(column("pay_channel"), column("trade_id"), time("pay_time")),
            *(receiver if sees_personal_data(request) else []),
        ]

    def exported(self, rows: Sequence[Any]) -> list[Any]:
        orders: list[Any] = super().exported(rows)
        accounts = read_accounts(order_ids=[order.order_id for order in orders])
        for order in orders:
            order.account = accounts[order.order_id]
            order.refunded = order.account.refunded
        return with_room_titles(orders)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return selectors.with_refunded(super().get_queryset(request))

    def described(self, row: Order) -> str:
        refunded = selectors.refunded_of(row)
        words = {"order": row, "amount": money(refunded)}
        return _("%(order)s: %(amount)s refunded") % words if refunded else str(row)

    def total_of(self, rows: QuerySet[Order]) -> Total:
        amounts = selectors.sum_amounts(rows)
        paid = _("paid or completed: %(amount)s") % {"amount": money(amounts.of_paid)}
        return Total(money(amounts.of_all), paid)

    def prefixes_for(self, request: HttpRequest) -> Sequence[str]:
        return self.prefix_fields if sees_personal_data(request) else ()

    @admin.display(description=_("amount"), ordering="pay_amount")
    def shown_amount(self, order: Order) -> str:
        return money(order.pay_amount)

    @admin.display(description=pgettext_lazy("money", "refunded"))
    def shown_refunded(self, order: Order) -> str | None:
        refunded = selectors.refunded_of(order)
        return money(refunded) if refunded else None

    @admin.display(description=_("expires in"), ordering="expires_at")
    def expires_in(self, order: Order) -> Any:
        if order.status != Order.Status.UNPAID:
            return None
        now = clock.now()
        return timeuntil(order.expires_at, now, depth=1) if order.expires_at > now else _("overdue")

    def sections(self, obj: Order) -> list[Section]:
        lines = selectors.list_lines(order_id=obj.order_id)
        refunds = selectors.list_refunds(order_id=obj.order_id)
        pieces = selectors.list_returned(refund_ids=[refund.refund_id for refund in refunds])
        returned = sum((Counter({piece.goods_id: piece.num}) for piece in pieces), Counter())
        has_stock = "stock" in settings.APPS  # elsewhere the records are another service's
        records = stock_selectors.list_records(order_ids=[obj.order_id]) if has_stock else []
        with_products([*lines, *records])
        sections = [
            section(
                _("Lines"),
                OrderDetail,
                lines,
                *("goods_id", "title", "price", "num", "returned", "pay_amount"),
                labels={
                    **{"goods_id": _("product"), "price": _("price"), "pay_amount": _("amount")},
                    "returned": CAME_BACK,
                },
                linked=product_id_of,
                returned=lambda line: returned[line.goods_id] or None,
                price=lambda line: money(line.price),
                pay_amount=lambda line: money(line.pay_amount),
            ),
            payments_section(selectors.list_payments(order_id=obj.order_id)),
            refunds_section(refunds, lines, pieces),
        ]
        if has_stock:
            names = ("goods_id", "num", "status", "updated_at")
            labels = {"goods_id": _("product")}
            sections.append(section(_("Stock records"), StockRecord, records, *names, labels=labels, linked=product_of))
        return sections

    @admin.action(description=_("Cancel the orders and give the stock back"), permissions=["operate"])
    @confirmed(_("Cancel these orders and give their stock back? Only unpaid ones are."))
    def close_orders(self, request: HttpRequest, rows: list[Order], form: forms.Form) -> Report:
        errors = services.cancel_orders(
            order_ids=[order.order_id for order in rows], closed_by=Order.ClosedBy.STAFF, now=clock.now()
        )
        done = [order for order in rows if errors[order.order_id] is None]
        return Report(done=done, errors=[error for error in errors.values() if error])

    @admin.action(description=_("Complete the paid orders"), permissions=["operate"])
    @confirmed(_("Complete these orders? Only paid ones are."), remark=of_refunded)
    def complete_orders(self, request: HttpRequest, rows: list[Order], form: forms.Form) -> Report:
        completed = services.complete_orders(
            order_ids=[order.order_id for order in rows], actor=actor_of(request), now=clock.now()
        )
        left = [order.order_id for order in rows if order.order_id not in completed]
        return Report(
            done=[order for order in rows if order.order_id in completed],
            errors=[_("Order %(order_id)s is not paid.") % {"order_id": order_id} for order_id in left],
        )


@admin.register(OrderDetail)
class OrderDetailAdmin(ExportAdmin, ProductAdmin, UserNames):
    list_display = ("id", "order_id", "user", "product", "shown_price", "num", "shown_amount", "pay_time")
    list_filter = ("created_at", "pay_time")
    ordering = ("-id",)
    id_fields = ("order_id", "goods_id")
    search_user_id = False  # the order is found by its user, and shows its lines
    fields = (
        *("order_id", "user", "product", "title", "brief", "shown_price", "num", "shown_amount", "pay_time"),
        *("head_imgs", "videos", "detail", "version", "created_at", "updated_at"),
    )

    def export_columns(self, request: HttpRequest) -> Sequence[Column]:
        """What is to be packed, whether it is, and what of it came back."""
        status = Column("status", lambda line: Order.Status(line.order.status).name.lower() if line.order else None)
        return [
            *(column("order_id"), Column("user", self.user), column("user_id"), status, column("room_id"), ROOM),
            *(column("goods_id"), column("title"), Column("pieces", lambda line: line.num)),
            Column("returned", lambda line: line.account and line.account.returned[line.goods_id]),
            *(price("price"), price("pay_amount"), time("created_at"), time("pay_time")),
        ]

    def exported(self, rows: Sequence[Any]) -> list[Any]:
        lines = super().exported(rows)
        accounts = read_accounts(order_ids={line.order_id for line in lines})
        for line in lines:
            line.account = accounts.get(line.order_id)
            line.order = line.account and line.account.order
            line.room_id = line.order and line.order.room_id
        return with_room_titles(lines)

    @admin.display(description=_("price"), ordering="price")
    def shown_price(self, line: OrderDetail) -> str:
        return money(line.price)

    @admin.display(description=_("amount"), ordering="pay_amount")
    def shown_amount(self, line: OrderDetail) -> str:
        return money(line.pay_amount)
