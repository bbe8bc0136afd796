"""Where benchmarks happen: private servers, the shop's processes on them, one hot product, and who may call."""

import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from lab.servers import MariaDB, Redis
from lab.servers.ports import LOOPBACK, free_port, still_free
from lab.servers.private_server import ServerFailed

HOT, SOLD_OUT, LIMITED, ROOM = 1, 2, 3, 1
PLENTY = 100_000_000
START_SECONDS = 60.0
AT_ONCE = 100_000  # rows that one statement changes


class Stage:
    """MariaDB with production's durability and 1 GB of memory, Redis, and whatever is started on them. One at a time:
    Django is set up for it in this process, with the defaults but for the `settings`."""

    def __init__(self, **settings: str) -> None:
        self._settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="charites-bench-", dir="/tmp"))
        self.database, self.redis = MariaDB("--innodb-buffer-pool-size=1G"), Redis()
        self._ends = ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self) -> None:
        self._ends.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._ends.enter_context(self.database)
        self._ends.enter_context(self.redis)
        (self.folder / "metrics").mkdir()
        os.environ |= {
            **{"ENV_FILE": "", "DEBUG": "false", "DEMO": "false", "HTTPS_ONLY": "false"},
            **{"DATABASE_URL": self.database.url, "REDIS_URL": self.redis.url, "CELERY_BROKER_URL": self.redis.url},
            **{"SECRET_KEY": secrets.token_urlsafe(48), "PAYMENT_SECRET": secrets.token_urlsafe(48)},
            "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), os.environ["PATH"]]
            ),  # of what is installed with us
            **{"METRICS_DIR": str(self.folder / "metrics"), "STATIC_ROOT": str(self.folder / "static")},
            "DJANGO_SETTINGS_MODULE": "charites.settings",
            **self._settings,
        }
        self._prepare()

    def __exit__(self, *failure: Any) -> None:
        self.stop()
        self._ends.close()

    def _prepare(self) -> None:
        import django  # noqa: PLC0415 (the settings are read now)

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        from charites.common import logs  # noqa: PLC0415

        # What is placed in this process leaves its lines as in a server, and not on the terminal.
        if logs.Access.stream:
            logs.Access.stream.write_to((self.folder / "lines.log").open("w"))

        from goods.models import Goods, Room, RoomGoods  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        self.add_products(range(1, 11))
        Goods.objects.filter(goods_id=LIMITED).update(limit_per_buyer=2)
        Room.objects.create(room_id=ROOM, title="Bench", status=Room.Status.LIVE, current_goods_id=HOT)
        RoomGoods.objects.bulk_create(RoomGoods(room_id=ROOM, goods_id=n, weight=n) for n in range(1, 11))

    def add_products(self, goods_ids: Iterable[int]) -> None:
        """Products with plenty of stock, but for the one that is sold out; those that are there already stay."""
        from goods.models import Goods  # noqa: PLC0415 (after the settings)
        from stock.services import Adjustment, adjust_stock  # noqa: PLC0415

        new = sorted(set(goods_ids) - set(Goods.objects.values_list("goods_id", flat=True)))
        Goods.objects.bulk_create(Goods(goods_id=goods_id, **described(goods_id)) for goods_id in new)
        adjust_stock(
            adjustments=[Adjustment(n, "delivery", "bench", target=0 if n == SOLD_OUT else PLENTY) for n in new]
        )

    def start(self, *words: str, **settings: str) -> int:
        """Starts a process of ours, with settings of its own; returns its pid."""
        return self.start_command([sys.executable, *words], **settings)

    def start_command(self, command: Sequence[str], **settings: str) -> int:
        with (self.folder / f"{len(self._processes)}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    command,
                    env={**os.environ, **settings},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return self._processes[-1].pid

    def start_grpc(
        self, *words: str, processes: int = 2, settled: bool = True, **settings: str
    ) -> tuple[str, list[int]]:
        """Starts a gRPC server, so many processes on one port; returns its address, once it answers, and the pids of
        all of them and of what they started. Unless `settled`: as soon as the port takes a connection."""
        import grpc  # noqa: PLC0415 (after the settings)

        port = still_free(free_port())
        pids = [self.start(*words, "--port", str(port), **settings) for _ in range(processes)]
        address = f"{LOOPBACK}:{port}"
        if not settled:
            await_port(port)
        for _ in range(4 * processes if settled else 0):  # each connection meets one of them
            with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                grpc.channel_ready_future(channel).result(START_SECONDS)
        return address, [*pids, *(child for pid in pids for child in children_of(pid))]

    def stop(self) -> None:
        """Ends all processes that were started, as a shop is ended."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def query(self, sql: str) -> Any:
        """The first column of the first row."""
        from django.db import connection  # noqa: PLC0415

        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]

    def durability(self) -> str:
        """What a COMMIT means here, as the server says."""
        from django.db import connection  # noqa: PLC0415

        with connection.cursor() as cursor:
            cursor.execute("SELECT @@version, @@log_bin, @@sync_binlog, @@innodb_flush_log_at_trx_commit")
            return "MariaDB {}, log_bin={}, sync_binlog={}, innodb_flush_log_at_trx_commit={}".format(
                *cursor.fetchone()
            )

    def servers(self) -> list[int]:
        """The pids of the servers: what they spend belongs to an order."""
        return [server.process.pid for server in (self.database, self.redis) if server.process]

    def put_off(self, *, due_within: timedelta) -> None:
        """Unpaid orders that are due by then are due a day later. No sweep runs beside a benchmark, so the orders of
        earlier ones would fall due in the middle of a later one."""
        from django.db import connection  # noqa: PLC0415

        sql = f"""
            UPDATE shopping_order SET expires_at = expires_at + INTERVAL 1 DAY
            WHERE status = 100 AND expires_at < UTC_TIMESTAMP(6) + INTERVAL %s SECOND
            ORDER BY status, expires_at LIMIT {AT_ONCE}
        """
        with connection.cursor() as cursor:
            cursor.execute(sql, [due_within.total_seconds()])
            while cursor.rowcount == AT_ONCE:
                cursor.execute(sql, [due_within.total_seconds()])

    def audit(self, **settings: str) -> None:
        """Raises ServerFailed when an invariant is broken: then no figure of the run counts."""
        self.put_off(due_within=timedelta(0))
        command, environment = [sys.executable, "manage.py", "audit"], {**os.environ, **settings}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(
                f"The audit found something, so this run is void:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
            )


def described(goods_id: int) -> dict[str, Any]:
    """A product with what products have: about 1.1 KB that every line of an order keeps."""
    pictures = [f"/static/catalogue/goods-{goods_id}-{n}.svg" for n in range(4)]
    return {
        "title": f"Longjing tea, spring harvest, {goods_id}",
        "price": 9950,
        "market_price": 12900,
        "brief": "Hand-picked before the rains, roasted in an iron pan, packed on the day of the order. " * 2,
        "head_imgs": pictures,
        "videos": [f"/static/catalogue/goods-{goods_id}.mp4"],
        "detail": [f"/static/catalogue/goods-{goods_id}-detail-{n}.svg?{'x' * 60}" for n in range(6)],
    }


def await_port(port: int) -> None:
    """Returns as soon as somebody listens there. Raises ServerFailed when nobody does."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(ConnectionRefusedError), socket.create_connection((LOOPBACK, port)):
            return
        time.sleep(0.002)
    raise ServerFailed(f"Nobody listens on port {port} after {START_SECONDS:.0f} s.")


def children_of(pid: int) -> list[int]:
    """The pids of the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_seconds(pids: Sequence[int]) -> float:
    """What processes have spent so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """The resident memory of a process now, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def describe_run(**run: Any) -> dict[str, Any]:
    """What stands above results: when, of which commit and on what machine, and how it was run."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": {"python": platform.python_version(), "system": platform.platform(), "cpus": cpus()},
        **run,
    }


def cpus() -> int:
    """How many processors this machine gives us."""
    return len(os.sched_getaffinity(0))


def timed(action: Callable[[], Any]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started
