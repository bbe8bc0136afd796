"""Where something dies, and what is expected then."""

from dataclasses import dataclass

FLOWS = ("direct", "half_message")


@dataclass(frozen=True, slots=True)
class Step:
    """A moment in the placing of an order. `dies`: what is killed. `leaks`: the flows that lose stock then."""

    name: str
    dies: str
    meaning: str
    leaks: tuple[str, ...] = ()

    @property
    def is_inside(self) -> bool:
        """Whether the order service itself dies, in the middle of a call."""
        return self.dies == "orders"


STEPS = {
    step.name: step
    for step in (
        Step("after_reserve", "orders", "stock is reserved, nothing of the order is written", leaks=("direct",)),
        Step("before_commit", "orders", "the order is written, its transaction not committed", leaks=("direct",)),
        Step("after_commit", "orders", "the order is committed, the buyer has no answer"),
        Step("stock_down", "stock", "the stock service is gone when the buyer comes"),
        Step("goods_down", "goods", "the goods service is gone when the buyer comes"),
        Step(
            "broker_down",
            "broker",
            "the broker is gone when the buyer comes",
        ),
    )
}
