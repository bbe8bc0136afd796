"""A payment provider's notices, rightly signed: whatever they say, they are taken, or refused in words."""

import json
import time
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx

from lab.fuzz.fuzzed_shop import ROLES, FuzzedShop
from lab.fuzz.grpc_fuzzer import MOST_FOUND, curl_of, http_fault, shown
from lab.fuzz.messages import break_bytes
from lab.fuzz.values import Values
from orders.payments.signing import sign

PATH = "/api/payments/notify"
TIMES = (
    *("2026-06-01T12:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "2026-02-30T00:00Z"),
    *("1999-12-31T23:59:59Z", "2100-01-01", "2026-06-01T12:00:00", "2026-W01-1", "now", "2026-06-01T12:00:00+99:99"),
)
ORDER = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
NEW_PAYMENT = 25  # one in so many notices is the first of a payment


class Payments:
    """Payments that wait for a notice, made as a buyer makes them."""

    def __init__(self, client: httpx.Client, random: Random) -> None:
        self._client, self._random = client, random
        self._client.headers["Authorization"] = ROLES["buyer"]
        self.known: list[dict[str, Any]] = [{"payment_id": "1", "amount": 1}]

    def make(self) -> None:
        """One more, if the shop lets us."""
        items = [{"goods_id": str(self._random.choice((1, 2, 11, 21))), "quantity": 1}]
        placed = self._client.post("/api/orders", json={"items": items, **ORDER})
        if placed.status_code != 201:
            return
        order = placed.json()
        begun = self._client.post(f"/api/orders/{order['order_id']}/pay", json={"outcome": "page"})
        if begun.status_code == 202:
            self.known.append({"payment_id": begun.json()["payment_id"], "amount": order["pay_amount"]})


def fuzz_notices(shop: FuzzedShop, *, seconds: float, seed: int) -> list[str]:
    """Returns the notices that were answered wrongly."""
    random = Random(seed)
    found: list[str] = []
    values, told = Values(random), Counter[str]()
    ends_at = time.monotonic() + seconds
    with httpx.Client(base_url=shop.url, timeout=20) as client:
        payments = Payments(client, random)
        while time.monotonic() < ends_at and len(found) < MOST_FOUND:
            if random.randrange(NEW_PAYMENT) == 0:
                payments.make()
            body = make_notice(payments, values)
            headers = sign(secret=shop.payment_secret, notice_id=f"n-{told.total()}", body=body, now=datetime.now(UTC))
            answer = client.post(PATH, content=body, headers={**headers, "Content-Type": "application/json"})
            told[f"HTTP {answer.status_code}"] += 1
            if (fault := http_fault(answer)) or answer.status_code == 503:
                found.append(f"notice: {fault or answer.text}\n  {curl_of(shop.url + PATH, headers, body)}")
    print(f"\nNotices: {told.total():,}: {shown(told)}", flush=True)
    return found


def make_notice(payments: Payments, values: Values) -> bytes:
    """The body of a notice: a true one, with one or two fields changed, or broken."""
    random = values.random
    payment = random.choice(payments.known[-5:])
    notice: dict[str, Any] = {
        **payment,
        "trade_id": f"T{payment['payment_id']}",
        "currency": "CNY",
        "captured_at": "2026-06-01T12:00:00Z",
    }
    for name in random.sample(sorted(notice), random.randrange(3)):
        notice[name] = random.choice(
            (values.number(), str(values.number()), values.text(), None, [], {}, True, 1.5, random.choice(TIMES), "USD")
        )
    body = json.dumps(notice).encode()
    return break_bytes(body, random)[:60_000] if random.random() < 0.2 else body
