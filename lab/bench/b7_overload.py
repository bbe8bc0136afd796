"""B7: four times the callers that serve best, the first second after a start, and one caller alone."""

import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from lab.bench.b1_in_process import command
from lab.bench.b2_orders_over_grpc import order_request
from lab.bench.grpc_load import TRANSPORTS, GrpcShop
from lab.bench.ratio import FULL_SECONDS, Rates, Ratio
from lab.bench.stage import Stage

CREATE = "Order/CreateOrder"
MANY, STREAMS = 2048, 64
PEAK, QUICK_PEAK = (64, 256, 512), (256, 512)  # callers of whom one number serves best
RAISED = {"GRPC_MAX_CONCURRENT": str(MANY)}
START_CALLERS = 512
WORDS = {10: "tenth", 3: "third"}
LATER, SOONER = 10, 3  # the second that the first one is compared with; the sooner one in a quick run
LONE_CALLS = 60  # of each kind, for each second of a turn


def measure(stage: Stage, *, rounds: int, seconds: int) -> Iterator[Ratio]:
    for transport in TRANSPORTS:
        yield overload(stage, transport, rounds=rounds, seconds=seconds)
    yield from starts(stage, rounds=rounds, second=LATER if seconds >= FULL_SECONDS else SOONER)
    yield alone(rounds=rounds, calls=LONE_CALLS * seconds)


def overload(stage: Stage, transport: str, *, rounds: int, seconds: int) -> Ratio:
    """Orders a second of 2,048 callers, 64 on a connection, against the best that fewer callers get in the same round,
    16 on a connection. The server lets all of them in; what it does with its own limit stands beside it."""
    shop = GrpcShop(stage, transport, **RAISED)
    many = shop.contestant(CREATE, order_request(), callers=MANY, streams=STREAMS)
    fewer = [
        shop.contestant(CREATE, order_request(), callers=callers)
        for callers in (PEAK if seconds >= FULL_SECONDS else QUICK_PEAK)
    ]
    rates = Rates(stage, [many, *fewer], rounds=rounds, seconds=max(1, seconds // 2))
    peaks = [max(found) for found in zip(*(rates.of[contestant.name] for contestant in fewer), strict=True)]
    best = max(fewer, key=lambda contestant: median(rates.of[contestant.name]))
    stage.stop()
    return Ratio(
        f"B7 2,048 callers / peak, {transport}",
        0.85,
        0.97,
        [mine / peak for mine, peak in zip(rates.of[many.name], peaks, strict=True)],
        [
            f"{rates.describe(many.name)}, with {', '.join(f'{name}={value}' for name, value in RAISED.items())}",
            rates.describe(best.name),
            by_default(stage, transport, seconds=max(1, seconds // 2)),
        ],
    )


def by_default(stage: Stage, transport: str, *, seconds: int) -> str:
    """What the same callers get with the default limits: more than those are told at once that the shop is busy."""
    shop = GrpcShop(stage, transport)
    calls = shop.call(CREATE, order_request(), callers=MANY, seconds=seconds, streams=STREAMS)
    stage.stop()
    orders, busy = (calls.by_status.get(status, 0) / calls.seconds for status in ("OK", "UNAVAILABLE"))
    return f"default limits: {orders:,.0f}/s, and {busy:,.0f}/s are answered busy"


def starts(stage: Stage, *, rounds: int, second: int) -> Iterator[Ratio]:
    """Orders in the first second that the port takes connections, against a later second. One process, and a fresh one
    in every round: all callers are connected before a second process would listen."""
    found: dict[str, list[list[int]]] = {transport: [] for transport in TRANSPORTS}
    for _ in range(rounds):
        for transport, series in found.items():
            shop = GrpcShop(stage, transport, processes=1, settled=False)
            calls = shop.call(CREATE, order_request(), callers=START_CALLERS, seconds=second)
            series.append(calls.each_second)
            stage.stop()
    for transport, series in found.items():
        ratios = [counts[0] / counts[-1] for counts in series]
        seconds = ", ".join(f"{median(counts):,.0f}" for counts in zip(*series, strict=True))
        details = [f"orders in each of {second} seconds, {START_CALLERS} callers: {seconds}"]
        yield Ratio(f"B7 first second / {WORDS[second]}, {transport}", 0.3, 0.6, ratios, details)


def alone(*, rounds: int, calls: int) -> Ratio:
    """How long one caller waits who comes through the queue, against one who needs none: call by call in turn."""
    waits: dict[str, list[float]] = {"group_commit": [], "atomic_update": []}
    ratios = []
    for turn in range(rounds + 1):
        found: dict[str, list[float]] = {strategy: [] for strategy in waits}
        for n in range(calls if turn else 50):
            for strategy in waits if n % 2 else reversed(waits):
                found[strategy].append(place_one(strategy))
        if turn:  # the first one warms
            medians = {strategy: median(own) for strategy, own in found.items()}
            ratios.append(medians["group_commit"] / medians["atomic_update"])
            for strategy, own in medians.items():
                waits[strategy].append(own)
    details = [f"{strategy}: p50 {median(own) * 1000:.2f} ms" for strategy, own in waits.items()]
    return Ratio("B7 p50 of one caller / atomic_update", 1.25, 1.10, ratios, details)


def place_one(strategy: str) -> float:
    """Places one order; returns the seconds that it took."""
    from django.test import override_settings  # noqa: PLC0415 (after the settings)

    with override_settings(STOCK_STRATEGY=strategy):
        started = time.perf_counter()
        place(strategy)
        return time.perf_counter() - started


def place(strategy: str) -> Any:
    from charites.common import clock  # noqa: PLC0415
    from orders.queue import place_next  # noqa: PLC0415
    from orders.services import place_order  # noqa: PLC0415

    if strategy == "group_commit":
        return place_next(command=command())
    return place_order(command=command(), now=clock.now())
