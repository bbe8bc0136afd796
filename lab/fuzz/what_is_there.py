"""What fuzzers have to know of the shop, or they would hear of nothing but what is not there."""

from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any

import httpx

from lab.fuzz.fuzzed_shop import ROLES
from lab.kit.processes.shop import START_SECONDS, wait_until

RECEIVER = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
GOODS_IDS = (1, 2, 11, 21)  # on sale in the demo
ROOM_IDS = (1, 2, 3)
LOOK_AGAIN = 50  # questions
# Names of numbers in paths and bodies -> where the shop lists them, and under which names.
LISTED = {
    "order_id": ("/api/orders?limit=100", "orders", "order_id"),
    "endpoint_id": ("/api/webhooks", "endpoints", "endpoint_id"),
}
FIT = {"amount": (1, 2, 100), "delta": (1, 2, 100), "currency": ("CNY",), "reason": ("a scratch", "破损")}
PAID, PLENTY = 200, 10_000


def pay_orders(url: str, *, number: int, random: Random) -> list[int]:
    """Buys so many times, as the demo's buyer, and returns the orders once all are paid. There is plenty of what is
    bought, whatever was sold and set before. Raises httpx.HTTPError, AssertionError."""
    for goods_id in GOODS_IDS:
        headers = {"Authorization": ROLES["staff"]}
        httpx.put(f"{url}/api/stock/{goods_id}", json={"available": PLENTY}, headers=headers).raise_for_status()
    with httpx.Client(base_url=url, timeout=20, headers={"Authorization": ROLES["buyer"]}) as client:
        order_ids = []
        for _ in range(number):
            items = [{"goods_id": str(random.choice(GOODS_IDS)), "quantity": random.choice((1, 2, 3))}]
            placed = client.post("/api/orders", json={"items": items, **RECEIVER}).raise_for_status().json()
            client.post(f"/api/orders/{placed['order_id']}/pay", json={"outcome": "now"}).raise_for_status()
            order_ids.append(int(placed["order_id"]))
        for order_id in order_ids:
            wait_until(partial(is_paid, client, order_id), seconds=START_SECONDS, what=f"order {order_id} is paid")
    return order_ids


def is_paid(client: httpx.Client, order_id: int) -> bool:
    return bool(client.get(f"/api/orders/{order_id}").json()["status"] == PAID)


class Known:
    """Numbers of what the shop has, as its lists name them to staff, and where events may be sent. Looked up anew now
    and then."""

    def __init__(self, url: str, receiver: str, random: Random) -> None:
        self._client = httpx.Client(base_url=url, timeout=20, headers={"Authorization": ROLES["staff"]})
        self._receiver, self._random = receiver, random
        self._asked = 0
        self._values: dict[str, list[str]] = {}

    def value(self, name: str) -> Any:
        """One that a parameter or a field of this name may have; None for what is no number of anything."""
        if self._asked % LOOK_AGAIN == 0:
            self._look()
        self._asked += 1
        found = self._values.get(name)
        return self._random.choice(found) if found else None

    def fitted(self, body: Any) -> Any:
        """A body in which some of the values are those of things that are there."""
        if isinstance(body, list):
            return [self.fitted(part) for part in body]
        if not isinstance(body, Mapping):
            return body
        return {name: self._fitted(name, value) for name, value in body.items()}

    def _fitted(self, name: str, value: Any) -> Any:
        if isinstance(value, list | dict):
            return self.fitted(value)
        if self._random.random() < 0.5 or value is None:
            return value
        if name in FIT:
            return self._random.choice(FIT[name])
        found = self._receiver if name == "url" else self.value(name)
        return value if found is None else found

    def _look(self) -> None:
        values = {"goods_id": list(map(str, GOODS_IDS)), "room_id": list(map(str, ROOM_IDS))}
        for name, (path, rows, column) in LISTED.items():
            values[name] = [str(row[column]) for row in self._rows(path, rows)]
        values["delivery_id"] = [
            str(row["delivery_id"])
            for endpoint_id in values["endpoint_id"][:5]
            for row in self._rows(f"/api/webhooks/{endpoint_id}/deliveries", "deliveries")
        ]
        self._values = values

    def _rows(self, path: str, name: str) -> list[dict[str, Any]]:
        answer = self._client.get(path)
        rows: list[dict[str, Any]] = answer.json()[name] if answer.is_success else []
        return rows
