"""Runs a race: one strategy after the other, each on freshly made stock."""

import os
import platform
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.utils import timezone

from charites.common.auth import Role, issue_token
from charites.common.redis_client import redis_client
from lab.race.database import own_database
from lab.race.processes import Child, RaceFailed
from lab.race.race_plan import Basket, Plan, baskets, deal, fresh_numbers
from lab.race.results import EXACT, OVERSOLD, Answer, Held, Race, Result
from lab.race.running_shop import borrowed_goods
from lab.servers import EmbeddedRedis, ServerFailed
from stock.strategies.strategy import Strategy

# Called with a strategy's name and how many of its buyers have their answer.
Progress = Callable[[str, int], None]
# Called, before all that, with how many processes have started, and how many there are.
Gathering = Callable[[int, int], None]
Goal = dict[str, Any]  # what buyers aim at: a strategy in their own process, or a server

PROTECTED_BY_SQLITE = "transaction"
THE_SERVERS_OWN = "server"
SERVERS = 2  # as in production: in one process calls queue up, and a wrong strategy would look right
PRIVATE_SERVER = {"GRPC_DEADLINE_SECONDS": "60", "GRPC_MAX_CONCURRENT": "4096"}
# Of a shop whose goods, stock and orders are in one database, where only the limit a buyer is in the way of an order.
WHOLE_SHOP = {
    "APPS": "goods,stock,orders",
    "ORDER_FLOW": "local",
    "GOODS_ENDPOINT": "",
    "STOCK_ENDPOINT": "",
    "ORDER_PAY_TIMEOUT_SECONDS": "3600",
    "MAX_UNPAID_ORDERS": "0",
    "PLACE_RATE": "0",
}


@dataclass(frozen=True, slots=True)
class Course:
    """Everything that stands ready while strategies take turns."""

    plan: Plan
    baskets: list[Basket]
    goods_ids: list[int]
    environment: dict[str, str]
    folder: Path
    ledger: Child
    crowd: list[Child]

    def run(self, strategy: type[Strategy], *, database: str, progress: Callable[[int], None]) -> Result:
        """Races one strategy on freshly made stock. What the column claims is watched where it is wrong."""
        limit = self.plan.limit_per_buyer
        self.ledger.ask(
            do="open", goods_ids=self.goods_ids, stock=self.plan.stock, limit=limit, watch=not strategy.safe
        )
        with self._target(strategy) as (goal, end):
            answers, retries = race_once(self.crowd, deal(self.baskets, self.plan), goal, progress)
            retries = end() or retries
        closed = self.ledger.ask(do="close", goods_ids=self.goods_ids)
        began = min(answer.begun for answer in answers)
        return Result(
            strategy=strategy.name,
            safe=strategy.safe,
            expected=expected_verdict(strategy, database),
            plan=self.plan,
            baskets=by_order(self.baskets),
            answers=answers,
            receipts={int(goods_id): pieces for goods_id, pieces in closed["receipts"].items()},
            column_left=closed["column"],
            retries=retries,
            claims=[(at - began, left) for at, left in closed["samples"]],
            held=self._held(closed) if limit else None,
        )

    def _held(self, closed: dict[str, Any]) -> Held:
        """What the ledger says of the buyers."""
        pieces = {(buyer, goods_id): number for buyer, goods_id, number in closed["held"]}
        return Held(pieces, {basket.order_id: basket.buyer for basket in self.baskets}, closed["broken"])

    @contextmanager
    def _target(self, strategy: type[Strategy]) -> Iterator[tuple[Goal, Callable[[], dict[str, int] | None]]]:
        """Yields what the buyers aim at, and a function that ends the race and tells the private servers' retries."""
        path = f"{strategy.__module__}.{strategy.__qualname__}"
        is_placing = self.plan.limit_per_buyer > 0
        if self.plan.via == "service":
            yield {"strategy": path, "address": "", "token": "", "is_placing": is_placing}, lambda: None
            return
        program = "lab.race.strategy_server", path, "Order" if is_placing else "Stock"
        with ExitStack() as stack:
            start = partial(Child, *program, environment=self.environment, folder=self.folder)
            servers = [stack.enter_context(start()) for _ in range(SERVERS)]
            address = "ipv4:" + ",".join(f"127.0.0.1:{server.hear()['port']}" for server in servers)
            token = issue_token(user_id=0, role=Role.SERVICE, now=timezone.now())
            goal = {"strategy": "", "address": address, "token": f"Bearer {token}", "is_placing": is_placing}
            yield goal, lambda: dict(sum(map(retries_of, servers), Counter()))


def nobody_looks(_ready: int, _processes: int) -> None:
    pass


def run_race(
    plan: Plan, strategies: Sequence[type[Strategy]], progress: Progress, gathering: Gathering = nobody_looks
) -> Race:
    """Races the strategies on a database of its own, which is gone afterwards, also after Ctrl-C.

    Raises RaceFailed when the race could not be run.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="charites-race-")))
        url = stack.enter_context(own_database())
        environment = {**child_environment(url), **stack.enter_context(lock_server(strategies))}
        words = []
        if plan.limit_per_buyer:
            environment |= WHOLE_SHOP
            words = ["orders"]
        ledger = stack.enter_context(Child("lab.race.sales_ledger", *words, environment=environment, folder=folder))
        crowd = assemble(plan, stack, environment, folder)
        described = await_all([*crowd, ledger], gathering)[-1]
        goods_ids = fresh_numbers(plan.goods)
        course = Course(plan, baskets(plan, goods_ids=goods_ids), goods_ids, environment, folder, ledger, crowd)
        results = []
        for strategy in strategies:
            progress(strategy.name, 0)
            turn = partial(progress, strategy.name)
            results.append(course.run(strategy, database=described["database"], progress=turn))
    return Race(plan, described["database"], described["durability"], machine(), results)


def race_server(plan: Plan, progress: Progress) -> Race:
    """Races a running server with its own strategy, for goods that the shop does not have, and leaves nothing reserved.

    Raises RaceFailed when the server does not answer or does not let us.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="charites-race-")))
        crowd = assemble(plan, stack, child_environment(f"sqlite:///{folder / 'never-used.sqlite3'}"), folder)
        await_all(crowd, nobody_looks)
        shop = stack.enter_context(borrowed_goods(plan))
        progress(THE_SERVERS_OWN, 0)
        goal = {"strategy": "", "address": plan.address, "token": plan.token, "is_placing": False}
        answers, _ours = race_once(crowd, deal(shop.baskets, plan), goal, partial(progress, THE_SERVERS_OWN))
        accepted = [answer.order_id for answer in answers if answer.told == "sold"]
        result = Result(
            strategy=THE_SERVERS_OWN,
            safe=True,
            expected=EXACT,
            plan=plan,
            baskets=by_order(shop.baskets),
            answers=answers,
            receipts=shop.pieces(accepted),
            column_left=shop.available(),
            retries=None,
        )
    return Race(plan, f"behind {plan.address}", {}, machine(), [result])


def assemble(plan: Plan, stack: ExitStack, environment: Mapping[str, str], folder: Path) -> list[Child]:
    """Starts the processes of buyers."""
    return [
        stack.enter_context(Child("lab.race.buyers", environment=environment, folder=folder))
        for _ in range(plan.processes)
    ]


def await_all(started: Sequence[Child], gathering: Gathering) -> list[dict[str, Any]]:
    """Returns the first words of each process."""
    gathering(0, len(started))
    words = []
    for child in started:
        words.append(child.hear())
        gathering(len(words), len(started))
    return words


def child_environment(url: str) -> dict[str, str]:
    """The settings of the race's processes: its own database, no metrics beside the shop's, logs of errors only, and
    no DEBUG, which keeps every statement in memory."""
    own = {
        "DJANGO_SETTINGS_MODULE": "charites.settings",
        "DATABASE_URL": url,
        "METRICS_DIR": "",
        "LOG_LEVEL": "ERROR",
        "DEBUG": "false",
        "DEMO": "false",
        "SECRET_KEY": settings.SECRET_KEY,
        "PAYMENT_SECRET": settings.PAYMENT_SECRET,
    }
    kept = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    return {**kept, **own, **PRIVATE_SERVER}


@contextmanager
def lock_server(strategies: Sequence[type[Strategy]]) -> Iterator[dict[str, str]]:
    """The Redis of `redis_lock`: the configured one if it answers, else a private one. Yields what to set."""
    if all(strategy.name != "redis_lock" for strategy in strategies) or configured_redis_answers():
        yield {}
        return
    try:
        private = EmbeddedRedis().__enter__()
    except ServerFailed as error:
        raise RaceFailed(f"redis_lock needs a Redis: none answers at REDIS_URL, and {error}") from error
    try:
        yield {"REDIS_URL": private.url, "STOCK_LOCK_REDIS_URLS": ""}
    finally:
        private.close()


def configured_redis_answers() -> bool:
    try:
        for url in settings.STOCK_LOCK_REDIS_URLS or [settings.REDIS_URL]:
            with redis_client(url, connect_seconds=0.5, answer_seconds=0.5) as client:
                client.ping()
    except redis.RedisError:
        return False
    return True


def race_once(
    crowd: Sequence[Child], dealt: Sequence[Sequence[Sequence[Basket]]], goal: Goal, progress: Callable[[int], None]
) -> tuple[list[Answer], dict[str, int]]:
    """One race. Nobody starts before everybody of every process is connected and waiting."""
    for child, hands in zip(crowd, dealt, strict=True):
        child.say(hands=hands, **goal)
    for child in crowd:
        child.hear()
    for child in crowd:
        child.say(go=True)
    answered = [0] * len(crowd)
    answers: list[Answer] = []
    retries: Counter[str] = Counter()
    for number, child in enumerate(crowd):
        while "answers" not in (heard := child.hear()):
            answered[number] = heard["answered"]
            progress(sum(answered))
        answered[number] = len(heard["answers"])
        progress(sum(answered))
        answers += [Answer(*answer) for answer in heard["answers"]]
        retries.update(heard["retries"])
    return answers, retries


def retries_of(server: Child) -> Counter[str]:
    """Ends the race at a private server; returns its retries by reason."""
    return Counter(server.ask(race="over")["retries"])


def by_order(wanted: Sequence[Basket]) -> dict[int, dict[int, int]]:
    return {basket.order_id: basket.quantities for basket in wanted}


def expected_verdict(strategy: type[Strategy], database: str) -> str | None:
    """What a strategy has to show. BEGIN IMMEDIATE protects a transaction on SQLite, so it may be exact there."""
    if strategy.safe:
        return EXACT
    return None if strategy.name == PROTECTED_BY_SQLITE and database.startswith("SQLite") else OVERSOLD


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
