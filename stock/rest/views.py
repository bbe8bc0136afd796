"""Stock over REST."""

from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from charites.common.auth import Permission
from charites.common.errors import Invalid
from charites.common.rest import (
    IDEMPOTENCY_KEY,
    Endpoint,
    allowed,
    documented,
    idempotency_key,
    identity_of,
    shown,
    valid_body,
)
from stock import selectors, services
from stock.rest.serializers import AdjustmentSerializer, SetStockSerializer, StockSerializer


class StockView(Endpoint):
    def get_permissions(self) -> list[object]:  # type: ignore[override]
        return [
            *super().get_permissions(),
            *([] if self.request.method == "GET" else [allowed(Permission.CHANGE_STOCK)()]),
        ]

    @documented("Read the stock of a product", responses=StockSerializer)
    def get(self, request: Request, goods_id: int) -> Response:
        return Response(shown(StockSerializer, selectors.get_stock(goods_id=goods_id)))

    @documented(
        "Set the available stock",
        parameters=[IDEMPOTENCY_KEY],
        request=SetStockSerializer,
        example={"available": 50, "reason": "stocktaking"},
        responses=StockSerializer,
    )
    def put(self, request: Request, goods_id: int) -> Response:
        body = valid_body(SetStockSerializer, request)
        adjustment = services.Adjustment(
            goods_id=goods_id,
            target=body["available"],
            version=body.get("version"),
            reason=body.get("reason", "set"),
            actor=identity_of(request).actor,
            may_add=identity_of(request).may(Permission.ADD_STOCK),
            idempotency_key=idempotency_key(request, body.get("idempotency_key")),
        )
        return Response(shown(StockSerializer, services.adjust_stock(adjustments=[adjustment])[0]))


class AdjustmentView(Endpoint):
    permission_classes = [allowed(Permission.CHANGE_STOCK)]

    @documented(
        "Adjust the stock, with a reason and an idempotency key",
        parameters=[IDEMPOTENCY_KEY],
        request=AdjustmentSerializer,
        example={"delta": -3, "reason": "breakage", "idempotency_key": "stocktaking-2026-06-01-1"},
        responses={201: StockSerializer},
    )
    def post(self, request: Request, goods_id: int) -> Response:
        body = valid_body(AdjustmentSerializer, request)
        key = idempotency_key(request, body.get("idempotency_key"))
        if key is None:
            raise Invalid("idempotency_key", _("is missing: send the header Idempotency-Key, or the field"))
        adjustment = services.Adjustment(
            goods_id=goods_id,
            delta=body["delta"],
            reason=body["reason"],
            actor=identity_of(request).actor,
            may_add=identity_of(request).may(Permission.ADD_STOCK),
            idempotency_key=key,
        )
        return Response(shown(StockSerializer, services.adjust_stock(adjustments=[adjustment])[0]), 201)
