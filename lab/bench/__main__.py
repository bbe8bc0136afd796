"""`make bench`: the shop's speed as ratios, each measured side by side with its peer in one run.

    python -m lab.bench [--only B1,B2] [--quick] [--out var/bench.json] [--peer 127.0.0.1:8081]

Private servers on this machine, production's durability, default settings. A figure counts only if the audit finds
nothing at the end.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lab.bench import (
    b1_in_process,
    b2_orders_over_grpc,
    b4_to_b6_stock_and_reads,
    b7_overload,
    b8_closing,
    b9_scale,
    b10_lock,
    b11_payments,
    b12_rest,
    b13_keys,
    b14_viewers,
    b15_peer,
    b16_webhooks,
    b17_hot_product,
)
from lab.bench.plot import draw
from lab.bench.ratio import FULL_SECONDS, Ratio
from lab.bench.stage import Stage, describe_run
from lab.servers.private_server import ServerFailed

Measure = Callable[..., Iterator[Ratio]]
BENCHMARKS: Mapping[str, Measure] = {
    "B1": b1_in_process.measure,
    "B2": b2_orders_over_grpc.measure,
    "B4": b4_to_b6_stock_and_reads.reduce_stock,
    "B5": b4_to_b6_stock_and_reads.refuse_sold_out,
    "B6": b4_to_b6_stock_and_reads.list_room,
    "B7": b7_overload.measure,
    "B8": b8_closing.measure,
    "B9": b9_scale.measure,
    "B10": b10_lock.measure,
    "B11": b11_payments.measure,
    "B12": b12_rest.place,
    "B13": b13_keys.measure,
    "B14": b14_viewers.measure,
    "B15": b15_peer.measure,
    "B16": b16_webhooks.measure,
    "B17": b17_hot_product.measure,
}
OTHER_NAMES = {"PEER": "B15", "B3": "B2"}  # what is measured with another
ROUNDS, SECONDS = 7, FULL_SECONDS
QUICK_ROUNDS, QUICK_SECONDS = 3, 2

console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(BENCHMARKS), metavar="B1,B2", help="these benchmarks")
    parser.add_argument("--quick", action="store_true", help="roughly, in a few minutes")
    parser.add_argument("--out", type=Path, default=Path("var/bench.json"), help="where the results are written")
    parser.add_argument(
        "--peer",
        type=b15_peer.loopback,
        default="",
        metavar="HOST:PORT",
        help="another server of the contract, for B15",
    )
    wanted = parser.parse_args()
    names = [name.strip().upper() for name in wanted.only.split(",")]
    names = [OTHER_NAMES.get(name, name) for name in names]
    if unknown := sorted(set(names) - BENCHMARKS.keys()):
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if "B15" in names and not wanted.peer:
        console.print("B15: not run, no PEER=host:port is given")
        names.remove("B15")
    if not names:
        return 0
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if wanted.quick else (ROUNDS, SECONDS)
    benchmarks = {**BENCHMARKS, "B15": partial(b15_peer.measure, peer=wanted.peer)}
    ratios: list[Ratio] = []
    unaudited = wanted.out.with_suffix(".unaudited.json")
    try:
        with Stage() as stage:
            durability = stage.durability()
            console.print(f"{durability}; {rounds} rounds of {seconds} s a side")
            keep = partial(write, ratios=ratios, durability=durability, rounds=rounds, seconds=seconds)
            for name in names:
                with console.status(f"{name} …"):
                    for ratio in benchmarks[name](stage, rounds=rounds, seconds=seconds):
                        console.print(f"{ratio.name}: {ratio.median:.2f}, floor {ratio.floor:g}", markup=False)
                        ratios.append(ratio)
                        keep(unaudited)  # whoever stops it has these
                    stage.stop()
            with console.status("audit …"):
                stage.audit()
    except ServerFailed as error:
        console.print(f"charites: {error}", markup=False, style="red")
        return 1
    show(ratios)
    draw(keep(wanted.out), wanted.out.with_suffix(".svg"))
    unaudited.unlink()
    console.print(f"Written to {wanted.out}, drawn in {wanted.out.with_suffix('.svg')}.")
    return 0 if all(ratio.is_reached for ratio in ratios) else 1


def show(ratios: list[Ratio]) -> None:
    table = Table("ratio", "median", "range", "floor, reached", "goal, reached", "side by side")
    for ratio in ratios:
        style = "red" if not ratio.is_reached else "green" if ratio.reached(ratio.goal) >= 1 else ""
        table.add_row(
            ratio.name,
            f"{ratio.median:.2f}",
            f"{min(ratio.rounds):.2f}-{max(ratio.rounds):.2f}",
            *(f"{bound:g}, {ratio.reached(bound):.0%}" for bound in (ratio.floor, ratio.goal)),
            "\n".join(ratio.details),
            style=style,
        )
    console.print(table)
    console.print("The audit found nothing.")


def write(file: Path, *, ratios: list[Ratio], **run: object) -> dict[str, Any]:
    """Writes the results there are, and returns them."""
    result = describe_run(**run) | {"ratios": [ratio.as_json() for ratio in ratios]}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return result


if __name__ == "__main__":
    sys.exit(main())
