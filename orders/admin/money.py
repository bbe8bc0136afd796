"""Payments and refunds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from charites.common import clock
from charites.common.admin import ReadOnlyAdmin, Report, confirmed
from charites.common.admin_export import Column, ExportAdmin, column, time
from charites.common.admin_export import amount as exported
from charites.common.admin_products import product_of, with_products
from charites.common.admin_sections import Section, section
from charites.common.money import money
from messaging.models import Message
from messaging.selectors import list_by_key
from orders import selectors, services
from orders.models import ON_ITS_WAY, OrderDetail, Payment, Refund, RefundLine
from orders.payments import sandbox
from orders.payments.sandbox import NOTIFY_TOPIC
from orders.refunds import REFUND_TOPIC, REQUESTED_TOPIC, RETURN_TOPIC

CAME_BACK = pgettext_lazy("pieces", "came back")


def amount(row: Any) -> str:
    """The amount of a payment or refund, in its own currency."""
    return money(row.amount, row.currency)


def payments_section(payments: list[Payment]) -> Section:
    names = ("payment_id", "channel", "amount", "status", "trade_id", "created_at")
    return section(_("Payments"), Payment, payments, *names, labels={"amount": _("amount")}, amount=amount)


def refunds_section(refunds: list[Refund], lines: Iterable[OrderDetail], returned: Iterable[RefundLine]) -> Section:
    """With the pieces that came back with each, by the titles that the order's lines have."""
    titles, pieces = {line.goods_id: line.title for line in lines}, defaultdict(list)
    for piece in returned:
        title = titles.get(piece.goods_id, piece.goods_id)  # an archived order has no lines
        pieces[piece.refund_id].append(f"{title} × {piece.num}")
    return section(
        _("Refunds"),
        Refund,
        refunds,
        *("refund_id", "amount", "returned", "reason", "note", "actor", "status", "attempts", "created_at"),
        labels={"amount": _("amount"), "returned": CAME_BACK},
        amount=amount,
        returned=lambda refund: "; ".join(pieces[refund.refund_id]) or None,
    )


def messages_section(messages: list[Message]) -> Section:
    names = ("id", "topic", "state", "attempts", "deliver_at", "last_error", "created_at")
    return section(_("Messages"), Message, messages, *names)


class MoneyAdmin(ExportAdmin, ReadOnlyAdmin):
    """Rows with an amount in a currency of their own."""

    @admin.display(description=_("amount"), ordering="amount")
    def shown_amount(self, row: Any) -> str:
        return amount(row)


@admin.register(Payment)
class PaymentAdmin(MoneyAdmin):
    fields = (
        *("payment_id", "order_id", "channel", "shown_amount", "status", "trade_id"),
        *("leased_until", "questions", "next_question_at", "last_error", "created_at", "updated_at"),
    )
    list_display = ("payment_id", "order_id", "channel", "shown_amount", "status", "next_question_at", "created_at")
    list_filter = ("status", "created_at")
    ordered_filters = ("status",)
    ordering = ("-order_id", "-id")
    id_fields = ("payment_id", "order_id")
    prefix_fields = ("trade_id",)
    actions = ("send_notice_again", "ask_provider")

    def export_columns(self, request: HttpRequest) -> Sequence[Column]:
        return [
            *(column("payment_id"), column("order_id"), column("channel"), exported("amount"), column("currency")),
            *(column("status"), column("trade_id"), column("last_error"), time("created_at"), time("updated_at")),
        ]

    def sections(self, obj: Payment) -> list[Section]:
        found = [row for row in selectors.list_refunds(order_id=obj.order_id) if row.payment_id == obj.payment_id]
        lines = selectors.list_lines(order_id=obj.order_id)
        returned = selectors.list_returned(refund_ids=[refund.refund_id for refund in found])
        notices = list_by_key(topic=NOTIFY_TOPIC, key=str(obj.payment_id))
        refunds = list_by_key(topic=REFUND_TOPIC, key=str(obj.payment_id))
        return [
            refunds_section(found, lines, returned),
            messages_section([*notices, *refunds]),
        ]

    @admin.action(description=_("Send the notices of the payments again"), permissions=["operate"])
    @confirmed(_("Send the notices of these payments again? A notice that was taken before has no effect."))
    def send_notice_again(self, request: HttpRequest, rows: list[Payment], form: forms.Form) -> Report:
        told = sandbox.announce_again(payment_ids=[payment.payment_id for payment in rows], now=clock.now())
        text = _("The sandbox has no money of payment %(payment_id)s.")
        left = [payment.payment_id for payment in rows if payment.payment_id not in told]
        return Report(
            done=[payment for payment in rows if payment.payment_id in told],
            errors=[text % {"payment_id": payment_id} for payment_id in left],
        )

    @admin.action(description=_("Ask the provider whether the money has come"), permissions=["operate"])
    @confirmed(_("Ask the provider about these payments now? Money that it has taken is recorded."))
    def ask_provider(self, request: HttpRequest, rows: list[Payment], form: forms.Form) -> Report:
        errors = services.ask_now(payment_ids=[payment.payment_id for payment in rows], now=clock.now())
        done = [payment for payment in rows if errors.get(payment.payment_id) is None]
        return Report(done=done, errors=[error for error in errors.values() if error])


@admin.register(Refund)
class RefundAdmin(MoneyAdmin):
    fields = (
        *("refund_id", "payment_id", "order_id", "shown_amount", "reason", "note", "actor", "status", "attempts"),
        *("leased_until", "next_try_at", "done_at", "last_error", "created_at", "updated_at"),
    )
    list_display = (
        "refund_id",
        "order_id",
        "shown_amount",
        "reason",
        "note",
        "status",
        "attempts",
        "next_try_at",
        "last_error",
    )
    list_filter = ("status", "reason", "created_at")
    indexed_filters = ("status",)
    ordering = ("-id",)
    id_fields = ("refund_id", "payment_id", "order_id")
    actions = ("send_now",)

    def export_columns(self, request: HttpRequest) -> Sequence[Column]:
        return [
            *(column("refund_id"), column("payment_id"), column("order_id"), exported("amount"), column("currency")),
            *(column("reason"), column("note"), column("actor"), column("status"), column("attempts")),
            *(column("last_error"), time("next_try_at"), time("done_at"), time("created_at")),
        ]

    def sections(self, obj: Refund) -> list[Section]:
        lines = selectors.list_returned(refund_ids=[obj.refund_id])
        with_products(lines)
        topics = (REQUESTED_TOPIC, RETURN_TOPIC) if obj.own_id else (REFUND_TOPIC,)
        found = [message for topic in topics for message in list_by_key(topic=topic, key=str(obj.refund_id))]
        labels = {"goods_id": _("product")}
        return [
            section(_("Returned pieces"), RefundLine, lines, "goods_id", "num", labels=labels, linked=product_of),
            messages_section(found),
        ]

    @admin.action(description=_("Send the money back now"), permissions=["operate"])
    @confirmed(_("Try to send this money back now? Only what is on its way is sent."))
    def send_now(self, request: HttpRequest, rows: list[Refund], form: forms.Form) -> Report:
        refund_ids = [refund.refund_id for refund in rows]
        errors = services.send_refunds(refund_ids=refund_ids, now=clock.now())
        was_due = {refund.refund_id for refund in rows if refund.status in ON_ITS_WAY}
        done, left = [], []
        for refund in selectors.list_by_refund_ids(refund_ids=refund_ids):
            if refund.refund_id in was_due and refund.status == Refund.Status.DONE:
                done.append(refund)
            elif refund.refund_id not in errors:
                left.append(how_it_stands(refund))
        return Report(done=done, errors=[*errors.values(), *left])


def how_it_stands(refund: Refund) -> str:
    words = {"refund_id": refund.refund_id, "status": refund.get_status_display(), "why": refund.last_error}
    if refund.status == Refund.Status.REFUSED:
        return _("Refund %(refund_id)s is %(status)s: %(why)s") % words
    return _("Refund %(refund_id)s is %(status)s.") % words
