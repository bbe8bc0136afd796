"""What an answer of the shop means to a buyer."""

from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx

from charites.common.errors import Limited
from goods.errors import GoodsNotFound, GoodsOffSale, SaleNotStarted, SaleOver
from lab.crowd.runs import Told
from orders.errors import OverBuyersLimit, TooManyUnpaid
from stock.errors import NotEnoughStock, StockNotFound

BY_CODE = {
    **dict.fromkeys((NotEnoughStock.code, StockNotFound.code), Told.SOLD_OUT),
    **dict.fromkeys((OverBuyersLimit.code, TooManyUnpaid.code, Limited.code), Told.LIMITED),
    SaleNotStarted.code: Told.NOT_STARTED,
    **dict.fromkeys((SaleOver.code, GoodsOffSale.code, GoodsNotFound.code), Told.OVER),
}
BY_STATUS = {
    HTTPStatus.CREATED: Told.GOT_IT,
    HTTPStatus.OK: Told.GOT_IT,
    HTTPStatus.SERVICE_UNAVAILABLE: Told.BUSY,
    HTTPStatus.GATEWAY_TIMEOUT: Told.NO_ANSWER,
}


class Answer(NamedTuple):
    """`order_id` is 0 where there is none; `why`: of an answer that nobody foresaw, or that did not come."""

    told: Told = Told.NO_ANSWER
    order_id: int = 0
    why: str = ""


def read_answer(response: httpx.Response) -> Answer:
    """Reads the answer to an order."""
    body = body_of(response)
    told = BY_CODE.get(body.get("code", 0)) or BY_STATUS.get(HTTPStatus(response.status_code), Told.OTHER)
    if told is Told.GOT_IT:
        return Answer(told, int(body["order_id"]))
    words = f"{response.status_code} {body.get('message', '')}".strip()
    return Answer(told, why=words if told is Told.OTHER else "")


def body_of(response: httpx.Response) -> dict[str, Any]:
    """What JSON says; nothing where it is none, as on a page of somebody else's."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def counted(answers: Iterable[Answer]) -> tuple[dict[str, int], str]:
    """Returns how many buyers were told what, and the first reason that was given."""
    given = list(answers)
    told = Counter(answer.told.value for answer in given)
    return dict(told), next((answer.why for answer in given if answer.why), "")
