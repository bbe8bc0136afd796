"""The sandbox's payments, to look at."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from charites.common.admin import ReadOnlyAdmin
from charites.common.admin_sections import Section, section
from charites.common.money import money
from orders.models import SandboxPayment, SandboxRefund


@admin.register(SandboxPayment)
class SandboxPaymentAdmin(ReadOnlyAdmin):
    list_display = ("payment_id", "shown_amount", "status", "trade_id", "captured_at", "shown_refunded", "expires_at")
    list_filter = ("status", "captured_at")
    ordering = ("-id",)
    id_fields = ("payment_id",)
    key_fields = ("trade_id",)

    fields = (
        *("payment_id", "shown_amount", "status", "trade_id", "captured_at", "shown_refunded", "expires_at"),
        *("declined_at", "pays_when_closed", "created_at", "updated_at"),
    )

    def sections(self, obj: SandboxPayment) -> list[Section]:
        sent = list(SandboxRefund.objects.filter(payment_id=obj.payment_id).order_by("pk"))
        names = ("refund_id", "amount", "created_at")
        return [
            section(
                _("Sent back"),
                SandboxRefund,
                sent,
                *names,
                labels={"amount": _("amount")},
                amount=lambda row: money(row.amount, obj.currency),
            )
        ]

    @admin.display(description=_("amount"), ordering="amount")
    def shown_amount(self, row: SandboxPayment) -> str:
        return money(row.amount, row.currency)

    @admin.display(description=_("refunded"), ordering="refunded")
    def shown_refunded(self, row: SandboxPayment) -> str:
        return money(row.refunded, row.currency)
