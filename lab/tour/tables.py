"""What the tour shows as tables."""

from collections import Counter
from typing import Any

from rich.table import Table
from rich.text import Text

from charites.common.money import money
from lab.tour.curl_client import Answer

Moments = list[tuple[str, dict[str, Any]]]  # what the stock of a product was, and when


def room_table(room: dict[str, Any]) -> Table:
    """The goods of a room, as the host shows them."""
    table = Table()
    table.add_column("goods")
    table.add_column("title")
    table.add_column("price", justify="right")
    for goods in room["goods"]:
        off_sale = "" if goods["status"] == 0 else " (off sale)"
        pinned = " <- pinned" if goods["goods_id"] == room["current_goods_id"] else ""
        table.add_row(goods["goods_id"], Text(f"{goods['title']}{off_sale}{pinned}"), money(goods["price"]))
    return table


def stock_table(seen: Moments) -> Table:
    """The three numbers of a product at several moments."""
    table = Table()
    table.add_column("stock")
    for name in ("available", "reserved", "sold"):
        table.add_column(name, justify="right")
    for moment, stock in seen:
        table.add_row(moment, str(stock["available"]), str(stock["reserved"]), str(stock["sold"]))
    return table


def answers_table(answers: list[Answer]) -> Table:
    """How often each answer was given."""
    counts = Counter((a.status, str(a.error.get("code", "")), str(a.error.get("message", "ordered"))) for a in answers)
    table = Table()
    for column in ("buyers", "status", "code", "what they are told"):
        table.add_column(column, justify="right" if column == "buyers" else "left")
    for (status, code, message), count in sorted(counts.items()):
        table.add_row(str(count), str(status), code, Text(message))
    return table
