"""B12, and B6 over REST: an order and two reads, each against a view that does nothing on the same web server."""

import json
from collections.abc import Iterator
from pathlib import Path

from lab.bench.ratio import Rates, Ratio
from lab.bench.rest_load import NOTHING, RestShop
from lab.bench.stage import HOT, ROOM, Stage

CONNECTIONS = 64
READ, PLACE = (0.6, 0.85), (0.35, 0.6)  # floor and goal


def read(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    """B6 over REST: the goods of a room, ten of them, and one product."""
    shop, nothing = RestShop(stage), RestShop(stage, NOTHING)
    empty = nothing.contestant("empty view", "/api/empty", connections=CONNECTIONS)
    room = shop.contestant("GET /api/rooms/1/goods", f"/api/rooms/{ROOM}/goods", connections=CONNECTIONS)
    product = shop.contestant("GET /api/goods/1", f"/api/goods/{HOT}", connections=CONNECTIONS)
    rates = Rates(stage, [room, product, empty], rounds=rounds, seconds=seconds)
    floor, goal = READ
    yield rates.ratio("B6 REST, a room's goods / empty view", room.name, empty.name, floor=floor, goal=goal)
    yield rates.ratio("B6 REST, a product / empty view", product.name, empty.name, floor=floor, goal=goal)


def place(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    """B12: orders for one hot product."""
    shop, nothing = RestShop(stage), RestShop(stage, NOTHING)
    body = order_body(stage)
    empty = nothing.contestant("empty POST view", "/api/empty-post", body, connections=CONNECTIONS)
    orders = shop.contestant("POST /api/orders", "/api/orders", body, connections=CONNECTIONS)
    rates = Rates(stage, [orders, empty], rounds=rounds, seconds=seconds)
    floor, goal = PLACE
    yield rates.ratio("B12 POST /api/orders / empty POST view", orders.name, empty.name, floor=floor, goal=goal)


def order_body(stage: Stage) -> Path:
    """A file with an order for one piece."""
    body = stage.folder / "order.json"
    receiver = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
    body.write_text(json.dumps({"items": [{"goods_id": str(HOT), "quantity": 1}], **receiver}))
    return body
