"""The sandbox's pay page, where a buyer pays, or does something else."""

from http import HTTPStatus

from django.core.signing import BadSignature as BadLink
from django.core.signing import Signer
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from charites.common import clock
from orders.errors import PaymentNotFound, PaymentsUnavailable
from orders.models import SandboxPayment
from orders.payments.port import get_provider
from orders.payments.sandbox.ledger import act
from orders.payments.sandbox.notices import CHANNEL
from orders.payments.sandbox.provider import Sandbox


@require_http_methods(["GET", "POST"])
@never_cache
def pay_page(request: HttpRequest, link: str) -> HttpResponse:
    """The sandbox provider's page, where a buyer pays."""
    payment = find_payment_of_link(link)
    if payment is None:
        return render(request, "sandbox/no_payment.html", status=HTTPStatus.NOT_FOUND)
    if request.method == "POST":
        act(payment_id=payment.payment_id, outcome=request.POST.get("outcome", "pay"), now=clock.now())
        return redirect(request.path)
    return render(request, "sandbox/pay.html", {"payment": payment, "expired": payment.expires_at <= clock.now()})


def find_payment_of_link(link: str) -> SandboxPayment | None:
    """Returns what a pay page is about; None for a forged address, and where the provider is not the sandbox."""
    try:
        return read_link(link) if isinstance(get_provider(), Sandbox) else None
    except (PaymentNotFound, PaymentsUnavailable):
        return None


def read_link(link: str) -> SandboxPayment:
    """Returns the payment of a pay page's address. Raises PaymentNotFound, also for a forged address."""
    try:
        payment_id = int(Signer(salt=CHANNEL).unsign(link))
    except (BadLink, ValueError) as error:
        raise PaymentNotFound(payment_id=link[:32]) from error
    row = SandboxPayment.objects.filter(payment_id=payment_id).first()
    if row is None:
        raise PaymentNotFound(payment_id=payment_id)
    return row
