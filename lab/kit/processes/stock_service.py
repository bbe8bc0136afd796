"""A stock service for tests: processes of this code with a database of their own."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from types import TracebackType
from typing import Self

from charites.common.auth import Role
from charites.common.rpc import Client
from lab.kit.broker_queues import has_consumer
from lab.kit.factories import bearer
from lab.kit.processes.shop import ROOT, START_SECONDS, STOP_SECONDS, wait_until
from lab.servers import LOOPBACK, free_port, still_free
from stock.rpc.stock_pb2 import StockLevel
from stock.rpc.stock_pb2_grpc import StockStub


class StockService:
    """A gRPC server and, where `broker_url` names a broker between services, a sweep, which takes what comes over it.

    Runs while its block does. `stop` and `start` as often as a test likes; the port stays the same.
    """

    def __init__(self, folder: Path, broker_url: str = "") -> None:
        self.broker_url = broker_url
        self._file = folder / "stock.sqlite3"
        self._port = free_port()
        self._environment = {
            **os.environ,
            "APPS": "stock",
            "DATABASE_URL": f"sqlite:///{self._file}",
            "STOCK_STRATEGY": "atomic_update",
            "GRPC_MAX_WORKERS": "4",
            "REMOTE_BROKER_URL": broker_url,
        }
        self._log = (folder / "stock.log").open("ab")
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this service is started with."""
        return dict(self._environment)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def database_url(self) -> str:
        return self._environment["DATABASE_URL"]

    def __enter__(self) -> Self:
        subprocess.run(self._command("migrate", "--verbosity", "0"), env=self._environment, check=True, cwd=ROOT)
        self._port = still_free(self._port)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()

    def start(self) -> None:
        self._start("grpcserver", "--host", LOOPBACK, "--port", str(self._port))
        self.start_sweep()
        with Client(self.address, token=bearer(0, Role.SERVICE), timeout_seconds=2, tries=1) as client:
            wait_until(lambda: self._answers(client), seconds=START_SECONDS, what="the stock service answers")

    def start_sweep(self) -> None:
        """Returns when it consumes, from a RabbitMQ."""
        if not self.broker_url:
            return
        self._start("sweep")
        if self.broker_url.startswith("amqp"):
            wait_until(lambda: has_consumer(self.broker_url, "stock"), seconds=START_SECONDS, what="the sweep consumes")

    def stop_sweep(self) -> None:
        """Kills it, as a power cut would; returns when it consumes no more."""
        self._end(self._processes.pop())
        wait_until(lambda: not has_consumer(self.broker_url, "stock"), seconds=STOP_SECONDS, what="it consumes no more")

    def stop(self) -> None:
        """Kills all of it."""
        while self._processes:
            self._end(self._processes.pop())

    def _start(self, *words: str) -> None:
        started = subprocess.Popen(
            self._command(*words), env=self._environment, cwd=ROOT, stdout=self._log, stderr=self._log
        )
        self._processes.append(started)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait(STOP_SECONDS)

    def set_stock(self, goods_id: int, available: int) -> None:
        with Client(self.address, token=bearer(0, Role.SERVICE), timeout_seconds=60) as client:
            client.stub(StockStub).SetStock(StockLevel(goods_id=goods_id, num=available))

    def counts(self, goods_id: int) -> tuple[int, int, int]:
        """Returns available, reserved, sold."""
        rows = self._read('SELECT num, "lock", sold FROM shopping_stock WHERE goods_id = ?', goods_id)
        return rows[0][0], rows[0][1], rows[0][2]

    def records(self, order_id: int) -> list[tuple[int, int, int]]:
        """Returns (goods_id, pieces, status) of an order's stock records."""
        sql = "SELECT goods_id, num, status FROM shopping_stock_record WHERE order_id = ? ORDER BY goods_id"
        return [(row[0], row[1], row[2]) for row in self._read(sql, order_id)]

    def _read(self, sql: str, *parameters: int) -> list[tuple[int, ...]]:
        with closing(connect(self._file)) as database:
            return database.execute(sql, parameters).fetchall()

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *words]

    def _answers(self, client: Client) -> bool:
        try:
            client.stub(StockStub).SetStock(StockLevel(goods_id=4711, num=1))
        except Exception:  # noqa: BLE001 (not yet)
            return False
        return True
