"""Stock over REST."""

from rest_framework.request import Request
from rest_framework.response import Response

from charites.common.auth import Permission, Role
from charites.common.errors import Forbidden
from charites.common.replicas import may_be_old
from charites.common.rest import (
    IDEMPOTENCY_KEY,
    Answer,
    Endpoint,
    allowed,
    cursor_of,
    documented,
    idempotency_key,
    identity_of,
    paged,
    required_key,
    shown,
    valid_body,
    valid_query,
)
from stock import selectors, services
from stock.errors import NotEnoughStock, StockChanged, StockNotFound
from stock.rest import examples
from stock.rest.serializers import (
    AdjustmentSerializer,
    ListStockSerializer,
    SetStockSerializer,
    StockListSerializer,
    StockSerializer,
)


class StockListView(Endpoint):
    @documented(
        "List the stock of products",
        description="By `goods_id`, upwards.",
        operation_id="list_stock",
        parameters=[ListStockSerializer],
        answers=Answer(StockListSerializer, "A page of stock.", examples.STOCKS),
    )
    def get(self, request: Request) -> Response:
        query = valid_query(ListStockSerializer, request)
        # Services read what they have just set.
        is_staff = identity_of(request).role is Role.STAFF
        page = may_be_old(selectors.page_stock, unless=not is_staff)(cursor_of(query), **query)
        return paged(StockListSerializer, request, page, "stock")


class StockView(Endpoint):
    def get_permissions(self) -> list[object]:  # type: ignore[override]
        return [
            *super().get_permissions(),
            *([] if self.request.method == "GET" else [allowed(Permission.CHANGE_STOCK)()]),
        ]

    @documented(
        "Read the stock of a product",
        description="As it is in the database now.",
        operation_id="get_stock",
        answers=Answer(StockSerializer, "The stock.", examples.STOCK),
        errors=[StockNotFound],
    )
    def get(self, request: Request, goods_id: int) -> Response:
        return Response(shown(StockSerializer, selectors.get_stock(goods_id=goods_id)))

    @documented(
        "Set the available stock",
        description="For staff who may change stock. With `version`: refused if somebody has changed it meanwhile.",
        operation_id="set_stock",
        parameters=[IDEMPOTENCY_KEY],
        request=SetStockSerializer,
        example={"available": 50, "reason": "stocktaking"},
        answers=Answer(StockSerializer, "The stock as it is now.", {**examples.STOCK, "available": 50, "version": 2}),
        errors=[Forbidden, StockNotFound, StockChanged],
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
        return Response(shown(StockSerializer, services.adjust_stock(adjustments=[adjustment]).rows[0]))


class AdjustmentView(Endpoint):
    permission_classes = [allowed(Permission.CHANGE_STOCK)]

    @documented(
        "Adjust the stock, with a reason and an idempotency key",
        description="For staff who may change stock. The same key is carried out once.",
        operation_id="adjust_stock",
        parameters=[IDEMPOTENCY_KEY],
        request=AdjustmentSerializer,
        example={"delta": -3, "reason": "breakage", "idempotency_key": "stocktaking-2026-06-01-1"},
        answers=Answer(
            StockSerializer, "The stock as it is now.", {**examples.STOCK, "available": 97, "version": 2}, 201
        ),
        errors=[Forbidden, StockNotFound, NotEnoughStock],
    )
    def post(self, request: Request, goods_id: int) -> Response:
        body = valid_body(AdjustmentSerializer, request)
        adjustment = services.Adjustment(
            goods_id=goods_id,
            delta=body["delta"],
            reason=body["reason"],
            actor=identity_of(request).actor,
            may_add=identity_of(request).may(Permission.ADD_STOCK),
            idempotency_key=required_key(request, body.get("idempotency_key")),
        )
        return Response(shown(StockSerializer, services.adjust_stock(adjustments=[adjustment]).rows[0]), 201)
