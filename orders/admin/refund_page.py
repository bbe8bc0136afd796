"""The page of an order on which money of it is sent back, and the pieces that came back are counted."""

import re
from typing import Any
from uuid import uuid4

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from charites.common.admin import OperatorAdmin, Report, actor_of, carry_out, question_page
from charites.common.admin_sections import Text
from charites.common.auth import Permission
from charites.common.forms import CapitalLabels, MoneyField, TypedField
from charites.common.models import KEY_LENGTH, MAX_INT64, REASON_LENGTH
from charites.common.money import money
from orders import services
from orders.models import Order, Refund
from orders.payloads import RefundOrder
from orders.refunds import REFUNDABLE, Account, read_accounts
from orders.selectors import refunded_of

PIECES = "pieces-"
AMOUNT = re.compile(r"(?<=^refund amount=)\d+", re.ASCII)  # as the history has it


class RefundForm(CapitalLabels, forms.Form):
    """How much goes back and why, and which pieces have come back. `left`: what the page showed as left."""

    is_done = False
    amount = MoneyField(label=_("amount"), least=1)
    reason = TypedField(label=_("reason"), max_length=REASON_LENGTH)
    key = forms.CharField(max_length=KEY_LENGTH, widget=forms.HiddenInput)
    left = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, account: Account, **options: Any) -> None:
        super().__init__(*args, **options)
        self.account = account
        # What comes back has the fields of the page it was on, whatever has been counted since.
        for goods_id in account.bought if self.is_bound else account.kept:
            self.fields[f"{PIECES}{goods_id}"] = forms.IntegerField(
                label=capfirst(_("came back: %(title)s") % {"title": account.titles[goods_id]}),
                help_text=_("0 to %(most)s; they can be sold again") % {"most": account.kept[goods_id]},
                initial=0,
                required=False,
                min_value=0,
                max_value=MAX_INT64,
            )

    def clean(self) -> None:
        """Names all that is too much at once, of what is left as the page showed it. What was sent under this key
        before is not looked at again: it may have been all."""
        amount, account = self.cleaned_data.get("amount"), self.account
        if self.cleaned_data.get("left") != account.left or account.find(self.cleaned_data.get("key", "")):
            return
        if amount and amount > account.left:
            self.add_error("amount", _("At most %(most)s.") % {"most": money(account.left)})
        for goods_id, pieces in self.returned.items():
            if pieces > account.kept[goods_id]:
                self.add_error(f"{PIECES}{goods_id}", _("At most %(most)s.") % {"most": account.kept[goods_id]})

    @property
    def returned(self) -> dict[int, int]:
        """goods_id -> pieces."""
        pieces = {name: value for name, value in self.cleaned_data.items() if name.startswith(PIECES) and value}
        return {int(name.removeprefix(PIECES)): value for name, value in pieces.items()}


def refund(_admin: Any, request: HttpRequest, rows: list[Order], form: Any) -> Report:
    """Asks for what the form says."""
    command = RefundOrder(
        order_id=rows[0].order_id,
        amount=form.cleaned_data["amount"],
        currency=settings.CURRENCY,  # in which it was typed
        reason=form.cleaned_data["reason"],
        actor=actor_of(request),
        returned=form.returned,
        idempotency_key=form.cleaned_data["key"],
    )
    requested = services.refund_order(command=command)
    form.is_done = True
    if requested.refund is None:
        return Report(done=rows)
    # As it was when this page was asked for: reading it anew might fail, after all has been done.
    left = form.account.left - (requested.refund.amount if requested.is_new else 0)
    return Report(done=rows, notes=[words_for(requested.refund, left)])


def words_for(refund: Refund, left: int) -> Text:
    """How much of a refund is on its way, and how much of its order's money is left."""
    words = _("%(amount)s are on their way; %(left)s are left.")
    if refund.status == Refund.Status.DONE:
        words = _("%(amount)s are sent back; %(left)s are left.")
    if refund.status == Refund.Status.REFUSED:
        words = _("%(amount)s are not sent back: the provider refused it; %(left)s are left.")
    return words % {"amount": money(refund.amount, refund.currency), "left": money(left, refund.currency)}


class RefundableAdmin(OperatorAdmin):
    """Orders, each with a page to refund it."""

    change_form_template = "orders/order_form.html"
    history_words = {"refund": _("Refund"), "amount": _("amount"), "reason": _("reason")}

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.refund_page)
        return [path("<path:object_id>/refund/", page, name="orders_order_refund"), *super().get_urls()]

    def in_words(self, change_message: str) -> str:
        return super().in_words(AMOUNT.sub(lambda found: money(int(found[0])), change_message, count=1))

    def may_refund(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(Permission.ADD_REFUND)) and self.has_view_permission(request)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        order = options.get("obj")
        is_left = order is not None and order.status in REFUNDABLE and order.pay_amount > refunded_of(order)
        context["may_refund"] = is_left and self.may_refund(request)
        return super().render_change_form(request, context, *args, **options)

    def refund_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks how much, then has it sent back and shows the order again."""
        order = self.get_object(request, object_id)
        account = read_accounts(order_ids=[order.order_id]).get(order.order_id) if order else None
        if account is None:
            raise Http404
        if not self.may_refund(request):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:orders_order_change", args=[account.order.pk]))
        if request.method != "POST":
            if account.is_refundable and account.left:
                return self.ask_to_refund(request, account, new_form(account))
            self.message_user(request, _("Of this order there is nothing to refund."), messages.WARNING)
            return back
        form = RefundForm(request.POST, account=account)
        if not form.is_valid():
            return self.ask_to_refund(request, account, form)
        if form.cleaned_data["left"] != account.left and not account.find(form.cleaned_data["key"]):
            self.message_user(
                request, _("Somebody else has refunded this order meanwhile. Look again."), messages.WARNING
            )
            return self.ask_to_refund(request, account, new_form(account))
        carry_out(self, request, [account.order], form, refund)
        # Else the form stays, with the key in it, so that the same can be sent again.
        return back if form.is_done else self.ask_to_refund(request, account, form)

    def ask_to_refund(self, request: HttpRequest, account: Account, form: RefundForm) -> HttpResponse:
        order = account.order
        question = _("Send money of this order back? %(left)s of %(paid)s are left.")
        words = {"left": money(account.left), "paid": money(order.pay_amount)}
        page = reverse("admin:orders_order_change", args=[order.pk])
        label = _("Send it back")
        names, above = [str(order)], {"title": str(order), "page": page}
        return question_page(self, request, form, question % words, names=names, label=label, cancel=page, above=above)


def new_form(account: Account) -> RefundForm:
    """The form for all that is left, under a key of its own."""
    initial = {"amount": account.left, "key": uuid4().hex, "left": account.left}
    return RefundForm(initial=initial, account=account)
