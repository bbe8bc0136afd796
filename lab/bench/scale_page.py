"""Keeps the tables of docs/when-to-scale.md, in each language, equal to docs/hot-product.json, which
`lab.bench.hot_product` writes: `python -m lab.bench.scale_page`; `--check` only compares.

A table stands between `<!-- name -->` and `<!-- /name -->`.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "hot-product.json"
BLOCK = re.compile(r"(<!-- (?P<name>[a-z]+) -->\n).*?(<!-- /(?P=name) -->)", re.DOTALL)
MACHINES = (2, 10, 100)  # beside the one that was measured
FULL_LOAD = 256  # callers
MOST_CONNECTIONS, CONNECTIONS_A_PROCESS = 500, 19  # deploy/mariadb.cnf; GRPC_MAX_WORKERS and three

Cell = dict[str, Any]
Line = list[str]


class Words(NamedTuple):
    """A page's words: the heads of its tables, and what a cell may say."""

    measured: str
    committers: Line
    servers: Line
    balanced: Line
    machines: Line
    here: str
    extrapolated: str
    all_of_it: str
    shop: str
    database: str
    connections: str


PAGES = {
    "docs/when-to-scale.md": Words(
        "Measured {day} at {commit}: {cpus} cores that carry everything, the load too, Python {python}, {durability}; "
        "{rounds} rounds of twice {seconds} s for each figure, their median.",
        ["committers", "orders a batch", "one row, orders/s", "µs each", "a row each, orders/s", "µs each", "ratio"],
        ["servers", "callers", "one product, orders/s", "orders a batch", "µs each", "of these the database"]
        + ["64 products, orders/s"],
        ["servers", "callers", "products", "to the least busy, orders/s", "orders a batch", "µs each"]
        + ["by product, orders/s", "orders a batch", "µs each", "ratio"],
        [
            "machines",
            "figure",
            "orders/s at most",
            "machine-hours a million orders",
            "connections at most",
            "breaks first",
        ],
        "measured",
        "extrapolated",
        "its processors",
        "the processors of the shop",
        "the processors of the database",
        "connections, then the processors of the database",
    ),
    "docs/zh/when-to-scale.md": Words(
        "测量于 {day}，版本 {commit}：{cpus} 个核承担一切，包括负载，Python {python}，{durability}；"
        "每个数字 {rounds} 轮，每轮两次 {seconds} 秒，取中位数。",
        ["提交进程", "每批订单", "同一行，订单/秒", "每单微秒", "各自一行，订单/秒", "每单微秒", "比值"],
        ["服务器", "调用者", "一个商品，订单/秒", "每批订单", "每单微秒", "其中数据库", "64 个商品，订单/秒"],
        ["服务器", "调用者", "商品", "发给最空闲的，订单/秒", "每批订单", "每单微秒"]
        + ["按商品，订单/秒", "每批订单", "每单微秒", "比值"],
        ["机器", "数字", "订单/秒，上限", "每百万订单的机器小时", "连接，上限", "先到极限的"],
        "测量",
        "推算",
        "它的处理器",
        "店铺的处理器",
        "数据库的处理器",
        "连接数，然后是数据库的处理器",
    ),
}


class NoBlock(Exception):
    """A page without the marks between which a table belongs."""


def table(head: Line, rows: list[Line]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, ["---:"] * len(head), *rows])


def cell(results: dict[str, Any], **wanted: Any) -> Cell:
    """The one cell that is so."""
    (found,) = [one for one in results["cells"] if wanted.items() <= one.items()]
    return dict(found)


def rate(found: Cell) -> str:
    return f"{median(found['rates']):,.0f}"


def ratio(ours: Cell, theirs: Cell) -> str:
    return f"{median(mine / other for mine, other in zip(ours['rates'], theirs['rates'], strict=True)):.2f}"


def measured(words: Words, results: dict[str, Any]) -> str:
    facts = {**results, **results["machine"], "day": results["at"][:10]}
    return words.measured.format(**facts) + "\n"


def committers(words: Words, results: dict[str, Any]) -> str:
    rows = []
    for one in (one for one in results["cells"] if one["part"] == "committers" and one["is_one"]):
        line = [str(one["processes"]), str(one["batch"]), rate(one), str(one["micros"])]
        if one["processes"] > 1:
            own = cell(results, part="committers", processes=one["processes"], batch=one["batch"], is_one=False)
            line += [rate(own), str(own["micros"]), ratio(one, own)]
        rows.append([*line, *[""] * (len(words.committers) - len(line))])
    return table(words.committers, rows)


def servers(words: Words, results: dict[str, Any]) -> str:
    rows = []
    for one in (one for one in results["cells"] if one["part"] == "servers" and one["is_one"]):
        many = ""
        if one["callers"] == FULL_LOAD:
            many = rate(cell(results, part="servers", processes=one["processes"], is_one=False))
        figures = [rate(one), str(one["orders_a_batch"]), str(one["micros"]), str(one["server_micros"]), many]
        rows.append([str(one["processes"]), str(one["callers"]), *figures])
    return table(words.servers, rows)


def balanced(words: Words, results: dict[str, Any]) -> str:
    rows = []
    for spread in (one for one in results["cells"] if one["part"] == "balanced" and not one["is_routed"]):
        same = {name: spread[name] for name in ("part", "processes", "callers", "is_one")}
        routed = cell(results, **same, is_routed=True)
        line = [str(spread["processes"]), str(spread["callers"]), "1" if spread["is_one"] else "64"]
        for one in (spread, routed):
            line += [rate(one), str(one["orders_a_batch"]), str(one["micros"])]
        rows.append([*line, ratio(routed, spread)])
    return table(words.balanced, rows)


def machines(words: Words, results: dict[str, Any]) -> str:
    """What was measured on one machine that has all of it, and what the processor time of an order would allow where
    one such machine is the database's and all others are the shop's."""
    cpus = results["machine"]["cpus"]
    one = cell(results, part="servers", processes=cpus, callers=FULL_LOAD, is_one=True)
    here = median(one["rates"])
    rows = [["1", words.here, f"{here:,.0f}", hours(1, here), connections(cpus), words.all_of_it]]
    for number in MACHINES:
        by_shop = (number - 1) * cpus * 1e6 / (one["micros"] - one["server_micros"])
        by_database = cpus * 1e6 / one["server_micros"]
        most, processes = min(by_shop, by_database), (number - 1) * cpus
        first = words.shop if by_shop < by_database else words.database
        if processes * CONNECTIONS_A_PROCESS > MOST_CONNECTIONS:
            first = words.connections
        rows.append(
            [str(number), words.extrapolated, f"{most:,.0f}", hours(number, most), connections(processes), first]
        )
    return table(words.machines, rows)


def hours(number: int, orders_a_second: float) -> str:
    """The machine-hours that a million orders take."""
    return f"{number * 1e6 / orders_a_second / 3600:.2f}"


def connections(processes: int) -> str:
    return f"{processes * CONNECTIONS_A_PROCESS:,}"


BLOCKS: dict[str, Callable[[Words, dict[str, Any]], str]] = {
    "measured": measured,
    "committers": committers,
    "servers": servers,
    "balanced": balanced,
    "machines": machines,
}


def with_tables(page: str, text: str, results: dict[str, Any]) -> str:
    """Returns the page's text with its tables as they should be. Raises NoBlock when there is no place for one."""
    if missing := BLOCKS.keys() - {found["name"] for found in BLOCK.finditer(text)}:
        raise NoBlock(f"{page} has no <!-- {min(missing)} --> ... <!-- /{min(missing)} -->.")
    return BLOCK.sub(lambda found: found[1] + BLOCKS[found["name"]](PAGES[page], results) + found[3], text)


def renew_pages() -> None:
    results = json.loads(RESULTS.read_text())
    for page in PAGES:
        path = ROOT / page
        path.write_text(with_tables(page, path.read_text(), results))


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        renew_pages()
        return 0
    results, stale = json.loads(RESULTS.read_text()), 0
    for page in PAGES:
        text = (ROOT / page).read_text()
        if text != with_tables(page, text, results):
            sys.stdout.write(f"{page} is stale: python -m lab.bench.scale_page\n")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
