"""Payments and refunds over REST."""

from drf_spectacular.types import OpenApiTypes
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from charites.common import clock
from charites.common.auth import SEES_ORDERS, Permission
from charites.common.errors import Forbidden
from charites.common.replicas import may_be_old
from charites.common.rest import (
    IDEMPOTENCY_KEY,
    Answer,
    Endpoint,
    allowed,
    cursor_of,
    documented,
    identity_of,
    paged,
    required_key,
    shown,
    valid_body,
    valid_query,
)
from orders import errors, lists, selectors, services
from orders.payloads import RefundOrder
from orders.rest import examples
from orders.rest.serializers import (
    ListPaymentsSerializer,
    ListRefundsSerializer,
    MoneySerializer,
    NoticeAnswerSerializer,
    PaymentListSerializer,
    RefundListSerializer,
    RefundOrderSerializer,
    StaffRefundSerializer,
)
from stock.errors import StockBusy


class MoneyOfOrderView(Endpoint):
    @documented(
        "Read the payments and refunds of an order",
        description="Every try to pay it, and money that went back.",
        operation_id="get_order_money",
        answers=Answer(MoneySerializer, "What was paid and sent back, oldest first.", examples.MONEY_OF_AN_ORDER),
        errors=[errors.OrderNotFound, errors.OrderArchived],
    )
    def get(self, request: Request, order_id: int) -> Response:
        selectors.get_order(order_id=order_id, user_id=identity_of(request).visible_user_id)
        payments = selectors.list_payments(order_id=order_id)
        refunds = selectors.with_pieces(selectors.list_refunds(order_id=order_id))
        return Response(shown(MoneySerializer, {"payments": payments, "refunds": refunds}))


class RefundOrderView(Endpoint):
    permission_classes = [allowed(Permission.ADD_REFUND), allowed(*SEES_ORDERS)]

    @documented(
        "Refund a paid order, whole or in part",
        description="For staff who may add refunds and see orders. The money leaves a moment later: the refund's "
        "`status` says whether the provider has sent it. The order keeps its status. Of two refunds at once that are "
        "more than is left, one is refused. A key is required, in the header or in the body: the same one is answered "
        "with the same refund.",
        operation_id="refund_order",
        parameters=[IDEMPOTENCY_KEY],
        request=RefundOrderSerializer,
        example=examples.A_REFUND_REQUEST,
        answers=[
            Answer(StaffRefundSerializer, "The money is on its way.", examples.A_REQUESTED_REFUND, 201),
            Answer(StaffRefundSerializer, "It was asked for before, by the same key.", examples.A_REQUESTED_REFUND),
        ],
        errors=[
            Forbidden,
            errors.OrderNotFound,
            errors.OrderArchived,
            errors.OrderStateConflict,
            errors.RefundTooLarge,
            errors.ReturnTooLarge,
        ],
    )
    def post(self, request: Request, order_id: int) -> Response:
        body = valid_body(RefundOrderSerializer, request)
        command = RefundOrder(
            order_id=order_id,
            amount=body.get("amount"),
            currency=body.get("currency"),
            reason=body["reason"],
            actor=identity_of(request).actor,
            returned=body.get("items", {}),
            returns_all=body["return_stock"],
            idempotency_key=required_key(request, body.get("idempotency_key")),
        )
        requested = services.refund_order(command=command)
        return Response(shown(StaffRefundSerializer, requested), 201 if requested.is_new else 200)


class PaymentListView(Endpoint):
    permission_classes = [allowed(Permission.VIEW_PAYMENT)]

    @documented(
        "List payments, newest first",
        description="For staff who may see payments.",
        operation_id="list_payments",
        parameters=[ListPaymentsSerializer],
        answers=Answer(PaymentListSerializer, "A page of payments.", examples.PAYMENTS),
        errors=[Forbidden],
    )
    @may_be_old
    def get(self, request: Request) -> Response:
        query = valid_query(ListPaymentsSerializer, request)
        page = lists.page_payments(cursor_of(query), **query)
        return paged(PaymentListSerializer, request, page, "payments")


class RefundListView(Endpoint):
    permission_classes = [allowed(Permission.VIEW_REFUND)]

    @documented(
        "List refunds, newest first",
        description="For staff who may see refunds.",
        operation_id="list_refunds",
        parameters=[ListRefundsSerializer],
        answers=Answer(RefundListSerializer, "A page of refunds.", examples.REFUNDS),
        errors=[Forbidden],
    )
    @may_be_old
    def get(self, request: Request) -> Response:
        query = valid_query(ListRefundsSerializer, request)
        page = lists.page_refunds(cursor_of(query), **query)
        return paged(RefundListSerializer, request, page, "refunds")


class NotifyView(Endpoint):
    """The provider's callback: no token, a signature over the raw bytes instead."""

    authentication_classes = []
    permission_classes: list[type[BasePermission]] = []

    @documented(
        "Take a provider's callback",
        description="Without a token: signed over the raw body, by the provider in charge. The sandbox signs as "
        "Standard Webhooks has it, in webhook-id, webhook-timestamp and webhook-signature; Stripe in Stripe-Signature. "
        "The body is the provider's; the sandbox's is shown.",
        operation_id="receive_payment_notice",
        request=OpenApiTypes.OBJECT,
        example=examples.A_NOTICE,
        answers=Answer(NoticeAnswerSerializer, "The notice was taken.", {"status": "success"}),
        errors=[errors.BadSignature, errors.PaymentNotFound, errors.PaymentsUnavailable, StockBusy],
        auth=[],
    )
    def post(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        services.receive_notice(headers=headers, body=request.body, now=clock.now())
        return Response(shown(NoticeAnswerSerializer, {"status": "success"}))
