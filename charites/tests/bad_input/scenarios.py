"""The table: what is wrong, who sends it, to which operation, and what must come back."""

from datetime import timedelta

from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from charites.common.auth import LEEWAY_SECONDS, Role, issue_token
from charites.tests.bad_input.scenario import (
    EXPIRED,
    FORBIDDEN,
    GATEWAY,
    GRPC,
    HTTP,
    INVALID,
    KEY_REUSED,
    NO_GOODS,
    NO_ORDER,
    NO_ROOM,
    NO_STOCK,
    NO_SUCH_ADDRESS,
    NOT_ENOUGH,
    NOT_YET,
    NOT_YOURS,
    OFF_SALE,
    OVER_LIMIT,
    PRICE_CHANGED,
    PROTO,
    RECEIVER,
    REFUND_TOO_LARGE,
    REST,
    RETURN_TOO_LARGE,
    SALE_OVER,
    SERVICE,
    STAFF,
    TOO_LATE,
    UNAUTHENTICATED,
    WRONG_STATE,
    Scenario,
    items,
    place,
    without,
)
from charites.tests.bad_input.world import SOMEBODY_ELSE
from lab.kit.factories import STAFF_ID, bearer, refresh_bearer

BIGGEST = 2**63 - 1

# In a text that somebody types; half a character cannot be said in a message of gRPC.
UNFIT = {
    "a control character": "a\x1bb",
    "a null": "a\x00b",
    "a tab": "a\tb",
    "a separator of lines": "a\u2028b",
    "an override of direction": "a\u202eb",
    "an isolate": "a\u2066b\u2069",
    "an unassigned character": "a\u0378b",
    "a non-character": "a\ufffeb",
    "nothing but a zero width space": "\u200b",
    "nothing but a joiner and a selector": "\u200d\ufe0f",
    "nothing but a filler": "\u3164",
    "nothing but an empty cell of Braille": "\u2800",
    "nothing but an ideographic space": "\u3000",
    "nothing but a mark": "\u0301",
}

PLACING = [
    place("unknown goods", items((999, 1)), NO_GOODS),
    place("deleted goods", items((900, 1)), NO_GOODS),
    place("off-sale goods", items((901, 1)), OFF_SALE),
    place("one good line and one off sale", items((1, 1), (901, 1)), OFF_SALE),
    place("goods whose sale has not started", items((904, 1)), NOT_YET),
    place("goods whose sale is over", items((905, 1)), SALE_OVER),
    place("more than a buyer may have", items((903, 2)), OVER_LIMIT),
    place("more than a buyer may have when merged", items((903, 1), (903, 1)), OVER_LIMIT),
    place("another amount than expected", {**items((1, 1)), "expected_amount": 9949}, PRICE_CHANGED),
    place("expected amount negative", {**items((1, 1)), "expected_amount": -1}, INVALID),
    place("expected amount a word", {**items((1, 1)), "expected_amount": "much"}, INVALID, on=HTTP),
    place("goods without stock", items((902, 1)), NO_STOCK),
    place("goods id zero", items((0, 1)), INVALID),
    place("goods id negative", items((-1, 1)), INVALID),
    place("goods id beyond int64", items((BIGGEST + 1, 1)), INVALID, on=HTTP),
    place("quantity zero", items((1, 0)), INVALID),
    place("quantity negative", items((1, -1)), INVALID),
    place("quantity beyond int64", items((1, BIGGEST + 1)), INVALID, on=HTTP),
    place("quantity as large as an int64", items((1, BIGGEST)), INVALID),
    place("quantity beyond int64 when merged", items((1, BIGGEST), (1, BIGGEST)), INVALID),
    place("quantity beyond stock", items((1, 6)), NOT_ENOUGH),
    place("quantity beyond stock when merged", items((5, 3), (5, 3)), NOT_ENOUGH),
    place("one good line and one beyond stock", items((5, 1), (6, 6)), NOT_ENOUGH),
    place("no lines", items(), INVALID),
    place("over 100 lines", items(*[(goods_id, 1) for goods_id in range(1, 102)]), INVALID),
    place("over 100 lines of one product", items(*[(1, 1)] * 101), INVALID),
    *[place(f"{name} missing", without(name), INVALID) for name in ("items", "address", "name", "phone")],
    *[place(f"{name} blank", {**items((1, 1)), name: "  "}, INVALID) for name in ("address", "name", "phone")],
    *[
        place(f"{name} with {what}", {**items((1, 1)), name: text}, INVALID)
        for name in ("address", "name", "phone")
        for what, text in UNFIT.items()
    ],
    place("a name of two lines", {**items((1, 1)), "name": "a\nb"}, INVALID),
    place("address over-long", {**items((1, 1)), "address": "a" * 256}, INVALID),
    place("name over-long", {**items((1, 1)), "name": "马" * 129}, INVALID),
    place("phone over-long", {**items((1, 1)), "phone": "1" * 33}, INVALID),
    place("goods id missing", {"items": [{"quantity": 1}], **RECEIVER}, INVALID),
    place("quantity missing", {"items": [{"goods_id": 1}], **RECEIVER}, INVALID),
    place("goods id a word", items(("one", 1)), INVALID, on=HTTP),
    place("goods id a list", items(([1], 1)), INVALID, on=HTTP),
    place("quantity a fraction", items((1, 1.5)), INVALID, on=HTTP),
    place("quantity a boolean", items((1, True)), INVALID, on=HTTP),
    place("quantity of 5,000 digits, in quotes", items((1, "9" * 5_000)), INVALID, on=HTTP),
    place("quantity empty", items((1, "")), INVALID, on=HTTP),
    place("items a word", {"items": "1", **RECEIVER}, INVALID, on=HTTP),
    place("items numbers", {"items": [1, 2], **RECEIVER}, INVALID, on=HTTP),
    place("items null inside", {"items": [None], **RECEIVER}, INVALID, on=HTTP),
    place("address a number", {**items((1, 1)), "address": 5}, INVALID, on=HTTP),
    place("address a list", {**items((1, 1)), "address": ["x"]}, INVALID, on=HTTP),
    place("name half a character", {**items((1, 1)), "name": "\ud800"}, INVALID, on=HTTP),
    place("unknown room", {**items((1, 1)), "room_id": 99}, NO_ROOM),
    place("deleted room", {**items((1, 1)), "room_id": 2}, NO_ROOM),
    place("room id negative", {**items((1, 1)), "room_id": -1}, INVALID, instead={GRPC: NO_ROOM, GATEWAY: NO_ROOM}),
    place("a price", {**items((1, 1)), "price": 1}, INVALID, on=(REST,)),
    place(
        "a price in a line", {"items": [{"goods_id": 1, "quantity": 1, "price": 1}], **RECEIVER}, INVALID, on=(REST,)
    ),
    place("an amount", {**items((1, 1)), "pay_amount": 1}, INVALID, on=(REST,)),
    place("a status", {**items((1, 1)), "status": 200}, INVALID, on=(REST,)),
    place(
        "somebody else's user id",
        {**items((1, 1)), "user_id": SOMEBODY_ELSE},
        FORBIDDEN,
        instead={REST: INVALID},  # REST has no such field: the caller is the user
    ),
    place("staff in somebody's name", {**items((1, 1)), "user_id": 9}, FORBIDDEN, who=STAFF, on=PROTO),
    place("a user id below zero", {**items((1, 1)), "user_id": -1}, INVALID, who=SERVICE, on=PROTO),
    # REST has no field that could name a user.
    place("service for nobody", items((1, 1)), INVALID, who=SERVICE, instead={REST: FORBIDDEN}),
    place("both forms at once", {**items((1, 1)), "goods_id": 1, "quantity": 1}, INVALID),
    place("old form without a product", {"quantity": 1, **RECEIVER}, INVALID),
    place("old form without a quantity", {"goods_id": 1, **RECEIVER}, INVALID),
    place("key empty", items((1, 1)), INVALID, headers={"Idempotency-Key": ""}),
    place("key over-long", items((1, 1)), INVALID, headers={"Idempotency-Key": "k" * 65}),
    place("key with an inner control character", items((1, 1)), INVALID, headers={"Idempotency-Key": "a\tb"}, on=HTTP),
    place("two different keys", {**items((1, 1)), "idempotency_key": "a"}, INVALID, headers={"Idempotency-Key": "b"}),
    place("key of another request", items((4, 2)), KEY_REUSED, headers={"Idempotency-Key": "used"}),
    place("nothing", {}, INVALID),
]

BROKEN = [
    place(f"broken JSON: {name}", body, INVALID, on=HTTP)
    for name, body in {
        "a brace": b"{",
        "a list": b"[]",
        "a word": b'"items"',
        "null": b"null",
        "not UTF-8": b'{"name": "\xff"}',
        "two documents": b"{}{}",
        "not a number": b'{"items": NaN}',
        "an infinity": b'{"items": -Infinity}',
        "an exponent beyond every float": b'{"items": 1e400}',
        "a byte order mark": b'\xef\xbb\xbf{"items": []}',
        "UTF-16": '{"items": []}'.encode("utf-16"),
        "a name that comes twice": b'{"address": "1 Harbour Road", "address": "2 Harbour Road"}',
        "a name that comes twice inside": b'{"items": [{"goods_id": 1, "quantity": 1, "quantity": 5}]}',
        "text behind it": b'{"items": []} x',
        "21 levels": b'{"items":' + b"[" * 20 + b"]" * 20 + b"}",
        "a name twice as deep as Python reads": b'{"items":' * 5_000,
        "a number of 5,000 digits": b'{"items": [{"goods_id": 1, "quantity": ' + b"9" * 5_000 + b"}]}",
        "half a character as a name": b'{"\\ud800": 1}',
    }.items()
]
BROKEN += [
    place(f"broken message: {name}", data, INVALID, on=(GRPC,))
    for name, data in {
        "cut off": b"\x4a\x05\x08",
        "text that is not UTF-8": b"\x32\x01\xff",
        "field number 0": b"\x00\x01",
        "a quantity beyond int64": b"\x4a\x0d\x08\x01\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    }.items()
]
HUGE = [
    Scenario("15,000 ids", "list_goods", b"\x08\x01" * 15_000, INVALID, on=(GRPC,)),
    place("10,000 lines", b"\x4a\x04\x08\x01\x10\x01" * 10_000, INVALID, on=(GRPC,)),
    *[
        Scenario(
            "10,000 lines",
            operation,
            b"\x08\x05" + b"\x12\x04\x08\x01\x10\x01" * 10_000,
            INVALID,
            who=SERVICE,
            on=(GRPC,),
        )
        for operation in ("reserve_stock", "roll_back_stock")
    ],
]
LARGE_STOCK = {"goods_id": 1, "available": 1, "reason": "r" * 66_000}
TOO_LARGE = [
    place("body over 64 KB", {**items((1, 1)), "address": "a" * 66_000}, ("too large", 10000001)),
    Scenario("body over 64 KB", "set_stock", LARGE_STOCK, ("too large", 10000001), who=STAFF, on=HTTP),
]

READING = [
    Scenario("unknown", "get_goods", {"goods_id": 999}, NO_GOODS),
    Scenario("deleted", "get_goods", {"goods_id": 900}, NO_GOODS),
    Scenario("zero", "get_goods", {"goods_id": 0}, INVALID, instead={REST: NO_SUCH_ADDRESS}),
    Scenario("negative", "get_goods", {"goods_id": -1}, INVALID, instead={REST: NO_SUCH_ADDRESS}),
    Scenario("beyond int64", "get_goods", {"goods_id": BIGGEST + 1}, INVALID, on=HTTP, instead={REST: NO_SUCH_ADDRESS}),
    Scenario("a word", "get_goods", {"goods_id": "one"}, INVALID, on=HTTP, instead={REST: NO_SUCH_ADDRESS}),
    Scenario("over 100", "list_goods", {"goods_ids": list(range(1, 102))}, INVALID),
    Scenario("zero among them", "list_goods", {"goods_ids": [1, 0]}, INVALID),
    Scenario("unknown", "get_stock", {"goods_id": 999}, NO_STOCK),
    Scenario("none", "get_stock", {"goods_id": 902}, NO_STOCK),
    Scenario("zero", "get_stock", {"goods_id": 0}, INVALID, instead={REST: NO_SUCH_ADDRESS}),
    Scenario("unknown", "list_room_goods", {"room_id": 99}, NO_ROOM),
    Scenario("deleted", "list_room_goods", {"room_id": 2}, NO_ROOM),
    Scenario("zero", "list_room_goods", {"room_id": 0}, INVALID, instead={REST: NO_SUCH_ADDRESS}),
    Scenario("unknown", "get_order", {"order_id": 1}, NO_ORDER),
    Scenario("zero", "get_order", {"order_id": 0}, INVALID, instead={REST: NO_SUCH_ADDRESS}),
    Scenario("somebody else's", "get_order", {}, NO_ORDER, order="theirs"),
    Scenario("page too long", "list_orders", {"limit": 101}, INVALID),
    Scenario("page below zero", "list_orders", {"limit": -1}, INVALID),
    Scenario("somebody else's", "list_orders", {"user_id": SOMEBODY_ELSE}, FORBIDDEN, on=(GRPC,)),
    Scenario("unknown status", "list_orders", {"status": 150}, INVALID, on=(GRPC,)),
    Scenario("before a negative number", "list_orders", {"before_id": -1}, INVALID, on=(GRPC,)),
]

STEPS = [
    Scenario("somebody else's", "pay", {}, NO_ORDER, order="theirs"),
    Scenario("somebody else's", "cancel", {}, NO_ORDER, order="theirs"),
    Scenario("unknown", "pay", {"order_id": 1}, NO_ORDER),
    Scenario("unknown", "cancel", {"order_id": 1}, NO_ORDER),
    Scenario("unknown", "complete", {"order_id": 1}, NO_ORDER, who=STAFF),
    Scenario("zero", "pay", {"order_id": 0}, INVALID, instead={REST: NO_SUCH_ADDRESS}),
    Scenario("zero", "cancel", {"order_id": 0}, INVALID, instead={REST: NO_SUCH_ADDRESS}),
    *[Scenario(state, "pay", {}, WRONG_STATE, order=state) for state in ("paid", "closed", "completed")],
    Scenario("overdue", "pay", {}, TOO_LATE, order="overdue"),
    *[Scenario(state, "cancel", {}, WRONG_STATE, order=state) for state in ("paid", "closed", "completed")],
    *[
        Scenario(state, "complete", {}, WRONG_STATE, order=state, who=STAFF)
        for state in ("unpaid", "begun", "closed", "completed")
    ],
    Scenario("by a buyer", "complete", {}, FORBIDDEN, order="paid"),
    Scenario("by a service", "complete", {}, FORBIDDEN, order="paid", who=SERVICE),
    Scenario("outcome unknown", "pay", {"outcome": "free"}, INVALID, order="unpaid"),
    Scenario("an amount", "pay", {"amount": 1}, INVALID, order="unpaid", on=(REST,)),
    Scenario("a status", "pay", {"status": 200}, INVALID, order="unpaid", on=(REST,)),
]

A_REFUND = {"amount": 1, "reason": "broken", "idempotency_key": "r"}
REFUNDS = [
    *[
        Scenario(state, "refund", A_REFUND, WRONG_STATE, order=state, who=STAFF)
        for state in ("unpaid", "begun", "closed")
    ],
    Scenario("unknown", "refund", {**A_REFUND, "order_id": 1}, NO_ORDER, who=STAFF),
    Scenario("zero", "refund", {**A_REFUND, "order_id": 0}, INVALID, who=STAFF, instead={REST: NO_SUCH_ADDRESS}),
    Scenario("by a buyer", "refund", A_REFUND, FORBIDDEN, order="paid"),
    Scenario("by a service", "refund", A_REFUND, FORBIDDEN, order="paid", who=SERVICE),
    *[
        Scenario(f"{name} {value!r}", "refund", {**A_REFUND, name: value}, INVALID, order="paid", who=STAFF)
        for name, value in [
            ("amount", 0),
            ("amount", -1),
            ("reason", ""),
            ("reason", "r" * 256),
            ("reason", UNFIT["an override of direction"]),
            ("currency", "EUR"),
            ("idempotency_key", "k" * 65),
            ("items", [{"goods_id": 1, "quantity": 0}]),
            ("items", [{"goods_id": 0, "quantity": 1}]),
        ]
    ],
    Scenario("amount a fraction", "refund", {**A_REFUND, "amount": 1.5}, INVALID, order="paid", who=STAFF, on=(REST,)),
    Scenario(
        "all pieces and some",
        "refund",
        {**A_REFUND, "return_stock": True, "items": [{"goods_id": 1, "quantity": 1}]},
        INVALID,
        order="paid",
        who=STAFF,
    ),
    Scenario("without a key", "refund", {"amount": 1, "reason": "r"}, INVALID, order="paid", who=STAFF),
    Scenario("more than was paid", "refund", {**A_REFUND, "amount": 9951}, REFUND_TOO_LARGE, order="paid", who=STAFF),
    Scenario(
        "as large as an int64", "refund", {**A_REFUND, "amount": BIGGEST}, REFUND_TOO_LARGE, order="paid", who=STAFF
    ),
    Scenario(
        "more pieces than bought",
        "refund",
        {**A_REFUND, "items": [{"goods_id": 1, "quantity": 2}]},
        RETURN_TOO_LARGE,
        order="paid",
        who=STAFF,
    ),
    Scenario(
        "pieces of another product",
        "refund",
        {**A_REFUND, "items": [{"goods_id": 2, "quantity": 1}]},
        RETURN_TOO_LARGE,
        order="paid",
        who=STAFF,
    ),
]

ONE_PIECE = {"goods_id": 1, "quantity": 1}
A_CHANGE = {"goods_id": 7, "delta": 1, "reason": "r", "idempotency_key": "k"}
MANY = [{"goods_id": goods_id, "quantity": 1} for goods_id in range(1, 102)]
ONE_LINE = {"order_id": 77, "items": [ONE_PIECE]}
STOCK = [
    Scenario("by a buyer", "set_stock", {"goods_id": 1, "available": 99}, FORBIDDEN),
    Scenario("by a buyer", "reduce_stock", ONE_PIECE, FORBIDDEN),
    Scenario("by a buyer", "reserve_stock", ONE_LINE, FORBIDDEN),
    Scenario("by a buyer", "confirm_stock", ONE_LINE, FORBIDDEN),
    Scenario("by a buyer", "roll_back_stock", ONE_LINE, FORBIDDEN),
    Scenario("by a buyer", "adjust_stock", {"goods_id": 1, "delta": 1, "reason": "mine"}, FORBIDDEN),
    Scenario("for an order, by staff", "reduce_stock", {**ONE_PIECE, "order_id": 77}, FORBIDDEN, who=STAFF),
    Scenario("below zero", "set_stock", {"goods_id": 1, "available": -1}, INVALID, who=STAFF),
    Scenario("of product 0", "set_stock", {"goods_id": 0, "available": 1}, INVALID, who=STAFF, on=PROTO),
    Scenario("beyond int64", "set_stock", {"goods_id": 1, "available": BIGGEST + 1}, INVALID, who=STAFF, on=HTTP),
    Scenario("a total beyond int64", "set_stock", {"goods_id": 1, "available": BIGGEST}, INVALID, who=STAFF),
    Scenario("a word", "set_stock", {"goods_id": 1, "available": "many"}, INVALID, who=STAFF, on=HTTP),
    Scenario("missing", "set_stock", {"goods_id": 1}, INVALID, who=STAFF, on=(REST,)),
    Scenario("sold", "set_stock", {"goods_id": 1, "available": 1, "sold": 0}, INVALID, who=STAFF, on=(REST,)),
    Scenario("zero", "reduce_stock", {"goods_id": 1, "quantity": 0}, INVALID, who=SERVICE),
    Scenario("negative", "reduce_stock", {"goods_id": 1, "quantity": -1}, INVALID, who=SERVICE),
    Scenario("of product 0", "reduce_stock", {"goods_id": 0, "quantity": 1}, INVALID, who=SERVICE),
    Scenario("beyond stock", "reduce_stock", {"goods_id": 7, "quantity": 6}, NOT_ENOUGH, who=SERVICE),
    Scenario("as large as an int64", "reduce_stock", {"goods_id": 7, "quantity": BIGGEST}, NOT_ENOUGH, who=SERVICE),
    Scenario("unknown", "reduce_stock", {"goods_id": 999, "quantity": 1}, NO_STOCK, who=SERVICE),
    Scenario("for order -1", "reduce_stock", {**ONE_PIECE, "order_id": -1}, INVALID, who=SERVICE),
    Scenario("for no order", "reserve_stock", {"items": [ONE_PIECE]}, INVALID, who=SERVICE),
    Scenario("of nothing", "reserve_stock", {"order_id": 77}, INVALID, who=SERVICE),
    Scenario(
        "beyond stock",
        "reserve_stock",
        {"order_id": 77, "items": [{"goods_id": 7, "quantity": 6}]},
        NOT_ENOUGH,
        who=SERVICE,
    ),
    Scenario("over 100 lines", "reserve_stock", {"order_id": 77, "items": [ONE_PIECE] * 101}, INVALID, who=SERVICE),
    Scenario("over 100 goods", "roll_back_stock", {"order_id": 77, "items": MANY}, INVALID, who=SERVICE),
    Scenario("for no order", "confirm_stock", {}, INVALID, who=SERVICE),
    Scenario("for no order", "roll_back_stock", {"items": [ONE_PIECE]}, INVALID, who=SERVICE),
    Scenario("of what the shop sold", "roll_back_stock", {}, NOT_YOURS, order="paid", who=SERVICE),
    Scenario("of what the shop gave back", "confirm_stock", {}, NOT_YOURS, order="closed", who=SERVICE),
    Scenario(
        "below zero",
        "adjust_stock",
        {"goods_id": 7, "delta": -6, "reason": "r", "idempotency_key": "k"},
        NOT_ENOUGH,
        who=STAFF,
    ),
    Scenario(
        "without a reason", "adjust_stock", {"goods_id": 7, "delta": 1, "idempotency_key": "k"}, INVALID, who=STAFF
    ),
    Scenario("without a key", "adjust_stock", {"goods_id": 7, "delta": 1, "reason": "r"}, INVALID, who=STAFF),
    Scenario(
        "beyond int64",
        "adjust_stock",
        {"goods_id": 7, "delta": BIGGEST, "reason": "r", "idempotency_key": "k"},
        INVALID,
        who=STAFF,
    ),
    Scenario("by a buyer", "change_stock", {"changes": [A_CHANGE]}, FORBIDDEN),
    Scenario("none", "change_stock", {"changes": []}, INVALID, who=SERVICE),
    Scenario("over 100", "change_stock", {"changes": [A_CHANGE] * 101}, INVALID, who=SERVICE),
    Scenario("below zero", "change_stock", {"changes": [{**A_CHANGE, "delta": -6}]}, NOT_ENOUGH, who=SERVICE),
    Scenario("beyond int64", "change_stock", {"changes": [{**A_CHANGE, "delta": BIGGEST}]}, INVALID, who=SERVICE),
    Scenario("of product 0", "change_stock", {"changes": [{**A_CHANGE, "goods_id": 0}]}, INVALID, who=SERVICE),
    *[
        Scenario(f"{name} missing", "change_stock", {"changes": [{**A_CHANGE, name: ""}]}, INVALID, who=SERVICE)
        for name in ("reason", "idempotency_key")
    ],
    Scenario("by a buyer", "pin_goods", {"room_id": 1, "goods_id": "2"}, FORBIDDEN),
    Scenario("of goods elsewhere", "pin_goods", {"room_id": 1, "goods_id": "7"}, ("conflict", 30010004), who=STAFF),
    Scenario("of deleted goods", "pin_goods", {"room_id": 1, "goods_id": "900"}, NO_GOODS, who=STAFF),
    Scenario("in an unknown room", "pin_goods", {"room_id": 99, "goods_id": "1"}, NO_ROOM, who=STAFF),
]


def foreign_token() -> str:
    """A token of the highest rank, signed with a key that is not ours."""
    with override_settings(SECRET_KEY="a-foreign-key-which-is-long-enough-for-every-check-0123456789-0123456789"):
        return bearer(STAFF_ID, Role.STAFF)


def expired_token() -> str:
    past = timezone.now() - timedelta(seconds=settings.TOKEN_ACCESS_SECONDS + LEEWAY_SECONDS + 1)
    return f"Bearer {issue_token(user_id=1, role=Role.STAFF, now=past)}"


def unsigned_token() -> str:
    """The well-known trick: the algorithm `none`."""
    header, claims = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", bearer(STAFF_ID, Role.STAFF).split(".")[1]
    return f"Bearer {header}.{claims}."


TOKENS = {
    "missing": "",
    "expired": expired_token(),
    "foreign": foreign_token(),
    "unsigned": unsigned_token(),
    "a refresh token": refresh_bearer(STAFF_ID, Role.STAFF),
    "malformed": "Bearer not-a-token",
    "without its scheme": bearer(STAFF_ID, Role.STAFF).removeprefix("Bearer "),
    "of the demo": "Bearer token",
    "of the demo, quoted": '"token"',
}
TOKEN = [
    Scenario(f"token {name}", operation, given, EXPIRED if name == "expired" else UNAUTHENTICATED, authorization=token)
    for name, token in TOKENS.items()
    for operation, given in {
        "place": items((1, 1)),
        "set_stock": {"goods_id": 1, "available": 99},
        "get_stock": {"goods_id": 1},
        "pay": {"order_id": 1},
        "reserve_stock": ONE_LINE,
    }.items()
]
# Whoever has no token learns nothing else: not even that the body is broken.
TOKEN.append(place("token missing and body broken", b"{", UNAUTHENTICATED, authorization=""))

SCENARIOS = [*PLACING, *BROKEN, *HUGE, *TOO_LARGE, *READING, *STEPS, *REFUNDS, *STOCK, *TOKEN]
