"""Two results of `make bench` beside each other: `python -m lab.bench.compare before.json after.json`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    wanted = parser.parse_args()
    before, after = (json.loads(file.read_text()) for file in (wanted.before, wanted.after))
    table = Table("ratio", f"before, {before['commit']}", f"after, {after['commit']}", "after / before")
    old, new = by_name(before), by_name(after)
    for name in [*old, *(name for name in new if name not in old)]:
        medians = [found[name]["median"] if name in found else None for found in (old, new)]
        change = f"{medians[1] / medians[0]:.2f}" if all(medians) else "-"
        table.add_row(name, *(shown(found.get(name)) for found in (old, new)), change)
    Console().print(table)
    return 0


def by_name(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {ratio["name"]: ratio for ratio in result["ratios"]}


def shown(ratio: dict[str, Any] | None) -> str:
    if ratio is None:
        return "-"
    low, high = ratio["range"]
    return f"{ratio['median']:.2f} ({low:.2f}-{high:.2f})"


if __name__ == "__main__":
    sys.exit(main())
