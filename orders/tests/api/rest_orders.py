"""An order as REST takes it."""

from typing import Any

from django.http import HttpResponse

from lab.kit.rest_client import buyer

RECEIVER = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
ONE_PIECE = {"items": [{"goods_id": "1", "quantity": 1}], **RECEIVER}
SOMEBODY_ELSE = 8


def place(body: dict[str, Any] = ONE_PIECE, *, key: str | None = None, user_id: int = 7) -> HttpResponse:
    return buyer(user_id).post("/api/orders", body, {"Idempotency-Key": key} if key is not None else {})
