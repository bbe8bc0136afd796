"""What a line of the table is made of, and what the catalogue of errors promises."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from charites.common.auth import Role
from charites.tests.bad_input.protocols import Input
from lab.kit.factories import BUYER_ID, STAFF_ID, bearer

REST, GRPC, GATEWAY = "rest", "grpc", "gateway"
HTTP = (REST, GATEWAY)
PROTO = (GRPC, GATEWAY)
EVERYWHERE = (REST, GRPC, GATEWAY)

# What the catalogue promises for each kind: REST's status and gRPC's; and what grpc-gateway makes of that.
STATUSES = {
    "invalid": (400, "INVALID_ARGUMENT"),
    "too large": (413, "INVALID_ARGUMENT"),
    "unauthenticated": (401, "UNAUTHENTICATED"),
    "forbidden": (403, "PERMISSION_DENIED"),
    "not found": (404, "NOT_FOUND"),
    "conflict": (409, "FAILED_PRECONDITION"),
    "key reused": (422, "INVALID_ARGUMENT"),
    "limited": (429, "RESOURCE_EXHAUSTED"),
}
OF_THE_GATEWAY = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "FAILED_PRECONDITION": 400,
    "RESOURCE_EXHAUSTED": 429,
}
INVALID = ("invalid", 10000001)
UNAUTHENTICATED = ("unauthenticated", 10000002)
EXPIRED = ("unauthenticated", 10000010)
NO_SUCH_ADDRESS = ("not found", 10000003)
FORBIDDEN = ("forbidden", 10000006)
KEY_REUSED = ("key reused", 10000009)
NO_GOODS = ("not found", 30010001)
OFF_SALE = ("conflict", 30010005)
NOT_YET = ("conflict", 30010002)
SALE_OVER = ("conflict", 30010003)
OVER_LIMIT = ("conflict", 40010008)
PRICE_CHANGED = ("conflict", 50010009)
NO_ROOM = ("not found", 30010006)
NO_STOCK = ("not found", 40010002)
NOT_ENOUGH = ("conflict", 40010003)
NOT_YOURS = ("forbidden", 40010011)
NO_ORDER = ("not found", 50010003)
TOO_MANY_UNPAID = ("conflict", 50010008)
TOO_MANY_ORDERS = ("limited", 10000007)
WRONG_STATE = ("conflict", 50010006)
REFUND_TOO_LARGE = ("conflict", 50010016)
RETURN_TOO_LARGE = ("conflict", 50010017)
TOO_LATE = ("conflict", 50010015)
Expected = tuple[str, int]

BUYER, STAFF, SERVICE = (BUYER_ID, Role.CUSTOMER), (STAFF_ID, Role.STAFF), (0, Role.SERVICE)


@dataclass(frozen=True)
class Scenario:
    """`order`: the name of one of the world's orders, whose number is added to the input. `on`: the protocols in which
    this can be said at all. `instead`: where a protocol answers something else, with good reason."""

    name: str
    operation: str
    given: Input
    expected: Expected
    who: tuple[int, Role] = BUYER
    order: str = ""
    on: tuple[str, ...] = EVERYWHERE
    instead: Mapping[str, Expected] = field(default_factory=dict)
    authorization: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def header(self) -> str:
        return bearer(*self.who) if self.authorization is None else self.authorization

    def expect(self, protocol: str) -> tuple[int | str, int]:
        """Returns the status in this protocol's own words, and our number."""
        kind, code = self.instead.get(protocol, self.expected)
        http, grpc = STATUSES[kind]
        return {REST: http, GRPC: grpc, GATEWAY: OF_THE_GATEWAY[grpc]}[protocol], code


RECEIVER = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}


def items(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    return {"items": [{"goods_id": goods_id, "quantity": quantity} for goods_id, quantity in pairs], **RECEIVER}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in items((1, 1)).items() if key != name}


def place(name: str, given: Input, expected: Expected, **further: Any) -> Scenario:
    return Scenario(name, "place", given, expected, **further)
