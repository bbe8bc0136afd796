"""Two MariaDB servers of which one writes and the other follows, with the configuration of production."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from lab.servers.mariadb import MariaDB
from lab.servers.ports import LOOPBACK
from lab.servers.private_server import DEPLOY, ServerFailed

SHOP, REPLICA = "shop", "replica"  # users: neither may write where nobody writes, which root may
CAUGHT_UP_SECONDS = 60.0


class PairedMariaDB(MariaDB):
    """One of two. `shop` and `replica` have no password."""

    def __init__(self, number: int, *options: str) -> None:
        super().__init__(f"--server-id={number}", *options)

    @property
    def url(self) -> str:
        return f"mysql://{SHOP}@{LOOPBACK}:{self.port}/{self.database}"

    def configuration(self) -> Path:
        file = self.folder / "my.cnf"
        file.write_text(f"!include {DEPLOY / 'mariadb.cnf'}\n!include {DEPLOY / 'mariadb-pair.cnf'}\n")
        return file

    def first_statements(self) -> list[str]:
        # Not in the log: each of them does it by itself.
        return [
            "SET sql_log_bin = 0",
            *super().first_statements(),
            f"CREATE USER IF NOT EXISTS {SHOP}@'{LOOPBACK}'",
            f"GRANT ALL ON {self.database}.* TO {SHOP}@'{LOOPBACK}'",
            f"CREATE USER IF NOT EXISTS {REPLICA}@'{LOOPBACK}'",
            f"GRANT REPLICATION SLAVE ON *.* TO {REPLICA}@'{LOOPBACK}'",
        ]

    def run(self, *statements: str) -> list[dict[str, Any]]:
        """Carries out statements as root; returns the rows of the last one."""
        import MySQLdb.cursors  # noqa: PLC0415 (`make run` installs no driver, and starts servers of this package, too)

        connection = MySQLdb.connect(host=LOOPBACK, port=self.port, user="root", autocommit=True)
        try:
            with connection.cursor(MySQLdb.cursors.DictCursor) as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()


class MariaDBPair:
    """`writer` and `replica`. Nothing changes by itself: whoever finds the writer dead promotes the replica."""

    def __init__(self, *options: str) -> None:
        """`options`: more of both servers' command lines."""
        self.writer, self.replica = (PairedMariaDB(number, *options) for number in (1, 2))
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        servers = (self.writer, self.replica)
        with self._stack, ThreadPoolExecutor() as pool:
            for server in servers:
                self._stack.callback(server.close)
            for started in [pool.submit(server.__enter__) for server in servers]:
                started.result()
            self.writer.run("SET GLOBAL read_only = OFF")
            self.follow()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def follow(self) -> None:
        """The replica follows the writer, whatever it was before."""
        self.replica.run(
            f"CHANGE MASTER TO MASTER_HOST = '{LOOPBACK}', MASTER_PORT = {self.writer.port}, "
            f"MASTER_USER = '{REPLICA}', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos",
            "START SLAVE",
        )

    def promote(self) -> None:
        """The replica carries out what it has heard, and is the writer from then on; the former one is the replica,
        which `rejoin` starts."""
        heard = self.replica.run("STOP SLAVE IO_THREAD", "SHOW SLAVE STATUS")[0]["Gtid_IO_Pos"]
        (waited,) = self.replica.run(f"SELECT MASTER_GTID_WAIT('{heard}', {CAUGHT_UP_SECONDS}) AS waited")
        if waited["waited"] != 0:
            raise ServerFailed(f"the replica did not come to {heard}")
        self.replica.run("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = OFF")
        self.writer, self.replica = self.replica, self.writer

    def rejoin(self) -> None:
        """The former writer comes back as the replica."""
        self.replica.start()
        self.replica.run("SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos")
        self.follow()

    def await_replica(self) -> None:
        """Waits until the replica has what the writer has by now."""
        (position,) = self.writer.run("SELECT @@gtid_binlog_pos AS position")
        deadline = time.monotonic() + CAUGHT_UP_SECONDS
        while time.monotonic() < deadline:
            (waited,) = self.replica.run(f"SELECT MASTER_GTID_WAIT('{position['position']}', 1) AS waited")
            if waited["waited"] == 0:
                return
        raise ServerFailed(f"the replica did not come to {position['position']}: {self.status()}")

    def status(self) -> Sequence[dict[str, Any]]:
        return self.replica.run("SHOW SLAVE STATUS")
