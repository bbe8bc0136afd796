"""Values that fuzzers send: what people mean, what lies at an edge, and what nobody means."""

from collections.abc import Sequence
from random import Random

EDGES = (0, 1, -1, 2, 100, 101, 2**31 - 1, 2**31, -(2**31), 2**32, 2**63 - 1, -(2**63), 10**18)
TEXTS = (
    *(
        "",
        " ",
        "Li Lei",
        "1 Harbour Road\nBack door",
        "13800000000",
        "李雷",
        "👨‍👩‍👧",
        "مُحَمَّد",
        "Zoe\u0308",
        "now",
        "page",
    ),
    *(
        "\u202eLi",
        "\u200b",
        "\u3164",
        "a\x00b",
        "\x1b[31m",
        "\ufeff",
        "\ufffe",
        "%s%n%d",
        "{{7*7}}",
        "${jndi:ldap://x}",
    ),
    *("' OR 1=1 --", "../../etc/passwd", "<script>alert(1)</script>", "x" * 32, "x" * 33, "x" * 256, "马" * 129),
    *("NaN", "1e999", "-0", "null", "true", "\r\nX: y", "\U0001fae9", "\U00030ede", "İ", "ß", "ﬀ", "%(field)s", "%"),
)
FIT = {
    "RoomId": (0, 1, 2, 3),
    "GoodsId": tuple(range(1, 31)),
    "Num": (1, 2, 3),
    "UserId": (0,),
    "Status": (0, 100, 200),
    "Limit": (0, 1, 20, 100),
    "BeforeId": (0,),
    "Address": ("1 Harbour Road", "北京市朝阳区建国路八十八号"),
    "Name": ("Li Lei", "李雷"),
    "Phone": ("13800000000", "+86 138-0000-0000"),
    "Outcome": ("", "now", "page"),
    "Amount": (1, 2, 100),
    "Currency": ("", "CNY"),
    "Delta": (1, -1, 5),
    "ExpectedAmount": (0,),
    "Reason": ("a scratch", "破损"),
    "ReturnStock": (False, False, True),
}


class Values:
    """A source of values, among them numbers of orders that there are: `paid` from the beginning, placed, or reserved
    in stock alone, as answers have named them."""

    def __init__(self, random: Random, paid: Sequence[int] = ()) -> None:
        self.random, self.paid = random, paid
        self.placed: list[int] = [1]
        self.reserved: list[int] = [1]

    def number(self) -> int:
        """An integer at an edge, or any."""
        bits = self.random.choice((8, 31, 63))
        return self.random.choice((self.random.choice(EDGES), self.random.getrandbits(bits)))

    def text(self) -> str:
        """A text that is hard to bear."""
        random = self.random
        if random.random() < 0.7:
            return random.choice(TEXTS)
        characters = (chr(random.choice((random.randrange(0x250), random.randrange(0xD800)))) for _ in range(20))
        return "".join(characters)[: random.randrange(20)]

    def fitting(self, name: str) -> int | str | None:
        """A value that a field of this name may have."""
        if name == "OrderId":
            return self.random.choice(self.random.choice((self.paid or self.placed, self.placed, self.reserved)))
        if name == "IdempotencyKey":
            return f"fuzz-{self.random.randrange(50)}"
        return self.random.choice(FIT[name]) if name in FIT else None

    def note_order(self, order_id: int, *, is_placed: bool) -> None:
        """Remembers an order, of the latest hundred of its kind."""
        noted = self.placed if is_placed else self.reserved
        noted[:] = [*noted[-99:], order_id]
