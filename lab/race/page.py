"""Keeps the table of docs/layers.md, in each language, equal to docs/race.json: `python -m lab.race.page`.

`--check` only compares.

The table stands between `<!-- race -->` and `<!-- /race -->`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs" / "race.json"
# The words of each page: the head of the table, and the verdicts.
PAGES: dict[str, tuple[list[str], dict[str, str]]] = {
    "docs/layers.md": (
        ["strategy", "sold", "oversold", "column says left", "orders/s", "p50 ms", "p99 ms", "verdict"],
        {"exact": "exact", "oversold": "**oversold**", "stranded": "**stranded**"},
    ),
    "docs/zh/layers.md": (
        ["策略", "卖出", "超卖", "库存列显示剩余", "订单/秒", "p50 毫秒", "p99 毫秒", "结论"],
        {"exact": "准确", "oversold": "**超卖**", "stranded": "**有货未卖**"},
    ),
}
BLOCK = re.compile(r"(?<=<!-- race -->\n).*?(?=<!-- /race -->)", re.DOTALL)


class NoBlock(Exception):
    """A page without the marks between which the table belongs."""


def table(page: str, figures: dict[str, Any]) -> str:
    """Returns the table of a page, as Markdown."""
    head, verdicts = PAGES[page]
    rows = [cells(result, verdicts) for result in figures["strategies"]]
    lines = [head, ["---", *["---:"] * (len(head) - 2), "---"], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cells(result: dict[str, Any], verdicts: dict[str, str]) -> list[str]:
    counts = [f"{result[name]:,}" for name in ("sold", "oversold", "column_left")]
    times = [f"{result[name]:,.0f}" for name in ("orders_per_s", "p50_ms", "p99_ms")]
    return [f"`{result['strategy']}`", *counts, *times, verdicts[result["verdict"]]]


def with_table(page: str, text: str, figures: dict[str, Any]) -> str:
    """Returns the page's text with the table as it should be. Raises NoBlock when there is no place for it."""
    if not BLOCK.search(text):
        raise NoBlock(f"{page} has no <!-- race --> ... <!-- /race -->.")
    drawn = table(page, figures)
    return BLOCK.sub(lambda _old: drawn, text)


def main(arguments: list[str]) -> int:
    figures = json.loads(FIGURES.read_text())
    stale = 0
    for page in PAGES:
        text = (ROOT / page).read_text()
        wanted = with_table(page, text, figures)
        if text != wanted and "--check" in arguments:
            sys.stdout.write(f"{page} is stale: python -m lab.race.page\n")
            stale = 1
        elif text != wanted:
            (ROOT / page).write_text(wanted)
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
