"""A private MariaDB."""

import getpass
import socket
import subprocess
from pathlib import Path

from lab.servers.ports import LOOPBACK
from lab.servers.private_server import DEPLOY, Server, ServerFailed, find_program

SMALL = ("--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M")  # a test machine's share of mariadb.cnf


class MariaDB(Server):
    """MariaDB with the durability of production: binary log on, both logs synced. root has no password."""

    name = "mariadb"

    def __init__(self, *options: str, database: str = "charites") -> None:
        """`options`: more of mariadbd's command line, such as `--innodb-buffer-pool-size=1G`."""
        super().__init__()
        self.options = options
        self.database = database

    @property
    def url(self) -> str:
        return f"mysql://root@{LOOPBACK}:{self.port}/{self.database}"

    def prepare(self) -> None:
        (self.folder / "temporary").mkdir()
        install = [find_program("mariadb-install-db", "mysql_install_db"), *self._common()]
        install += [*SMALL, "--auth-root-authentication-method=normal", "--skip-test-db"]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"{install[0]} failed:\n{done.stdout}{done.stderr}")
        (self.folder / "first.sql").write_text("".join(f"{statement};\n" for statement in self.first_statements()))

    def first_statements(self) -> list[str]:
        """What it carries out whenever it starts, before anybody may ask."""
        return [f"CREATE DATABASE IF NOT EXISTS {self.database} CHARACTER SET utf8mb4"]

    def configuration(self) -> Path:
        """Returns the file that it reads first."""
        return DEPLOY / "mariadb.cnf"

    def _common(self) -> list[str]:
        # As root the server wants to be told so; the folder is closed to every other user.
        return [
            f"--defaults-file={self.configuration()}",
            f"--datadir={self.folder / 'data'}",
            # A server that starts removes all temporary tables in this folder; in /tmp they would be other servers'.
            f"--tmpdir={self.folder / 'temporary'}",
            f"--user={getpass.getuser()}",
        ]

    def command(self) -> list[str]:
        return [
            find_program("mariadbd", "mysqld"),
            *self._common(),
            f"--port={self.port}",
            f"--bind-address={LOOPBACK}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'first.sql'}",
            *SMALL,
            *self.options,
        ]

    def answers(self, connection: socket.socket) -> bool:
        # The server speaks first: length (3 bytes), sequence (1), then protocol version 10 (255 is an error).
        return connection.recv(5)[4:] == b"\x0a"
