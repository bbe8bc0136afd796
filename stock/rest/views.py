"""Stock over REST."""

from rest_framework.request import Request
from rest_framework.response import Response

from charites.common.auth import Role
from charites.common.rest import Endpoint, documented, identity_of, role_required, valid_body
from stock import selectors, services
from stock.rest.serializers import AdjustmentSerializer, SetStockSerializer, StockSerializer


class StockView(Endpoint):
    def get_permissions(self) -> list[object]:  # type: ignore[override]
        return [*super().get_permissions(), *([] if self.request.method == "GET" else [role_required(Role.STAFF)()])]

    @documented("Read the stock of a goods", responses=StockSerializer)
    def get(self, request: Request, goods_id: int) -> Response:
        return Response(StockSerializer(selectors.get_stock(goods_id=goods_id)).data)

    @documented("Set the available stock", request=SetStockSerializer, responses=StockSerializer)
    def put(self, request: Request, goods_id: int) -> Response:
        body = valid_body(SetStockSerializer, request)
        adjustment = services.Adjustment(
            goods_id=goods_id,
            target=body["available"],
            version=body.get("version"),
            reason=body.get("reason", "set"),
            actor=identity_of(request).actor,
        )
        return Response(StockSerializer(services.adjust_stock(adjustments=[adjustment])[0]).data)


class AdjustmentView(Endpoint):
    permission_classes = [role_required(Role.STAFF)]

    @documented("Adjust the stock, with a reason", request=AdjustmentSerializer, responses={201: StockSerializer})
    def post(self, request: Request, goods_id: int) -> Response:
        body = valid_body(AdjustmentSerializer, request)
        adjustment = services.Adjustment(goods_id=goods_id, actor=identity_of(request).actor, **body)
        return Response(StockSerializer(services.adjust_stock(adjustments=[adjustment])[0]).data, 201)
