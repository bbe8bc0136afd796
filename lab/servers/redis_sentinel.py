"""Private Redis servers of which sentinels make one the master, with the configuration of production."""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from typing import Any, Self

import redis

from lab.servers.ports import LOOPBACK
from lab.servers.private_server import DEPLOY, Server, ServerFailed, find_program
from lab.servers.redis import Redis, RedisTls

CONFIGURATION = DEPLOY / "redis-sentinel.conf"
NAME, QUORUM = "charites", 2  # of the file
WATCHED_SECONDS = 60.0


class WatchedRedis(Redis):
    """One of several. It forgets everything when it ends, as the file of production says."""

    name = "redis-watched"

    def __init__(self, password: str, tls: RedisTls | None) -> None:
        super().__init__()
        self.password, self.tls = password, tls
        self.first_master: WatchedRedis | None = None  # whom it follows when it starts

    def command(self) -> list[str]:
        file = self.folder / "redis.conf"
        file.touch(mode=0o600)
        file.write_text(
            f'include "{DEPLOY / "redis.conf"}"\ninclude "{DEPLOY / "redis-pair.conf"}"\n'
            f"requirepass {self.password}\nmasterauth {self.password}\n"
            f'bind {LOOPBACK}\ndir "{self.folder}"\n'
            + listening(self.port, self.tls)
            + (f"replicaof {LOOPBACK} {self.first_master.port}\n" if self.first_master else "")
        )
        return [self.program(), str(file)]

    def answers(self, connection: socket.socket) -> bool:
        with self.tls.over(connection) if self.tls else nullcontext(connection) as spoken_to:
            return super().answers(spoken_to)

    def info(self) -> dict[str, Any]:
        """What it says of its part. Raises RedisError."""
        with asked(self.port, self.password, self.tls) as client:
            found: dict[str, Any] = client.info("replication")
            return found


class Sentinel(Server):
    """One of those who watch."""

    name = "redis-sentinel"

    def __init__(self, master: WatchedRedis) -> None:
        super().__init__()
        self._master, self._password, self._tls = master, master.password, master.tls

    def command(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        if not file.exists():  # afterwards it is its own, with what it has learned
            file.touch(mode=0o600)
            file.write_text(self.configuration())
        return [find_program("redis-server", "valkey-server"), str(file), "--sentinel"]

    def configuration(self) -> str:
        """The file of production with this server's addresses. Raises ServerFailed where the file has others by now."""
        text = CONFIGURATION.read_text()
        first = f"sentinel monitor {NAME} {LOOPBACK} {self._master.port} {QUORUM}\n"
        for old, new in {
            "port 26379\n": listening(self.port, self._tls)
            + f'bind {LOOPBACK}\ndir "{self.folder}"\nrequirepass {self._password}\n',
            f"sentinel monitor {NAME} 10.0.0.1 6379 {QUORUM}\n": f"{first}sentinel auth-pass {NAME} {self._password}\n",
        }.items():
            if old not in text:
                raise ServerFailed(f"{CONFIGURATION.name} has no {old!r}")
            text = text.replace(old, new)
        return text

    def answers(self, connection: socket.socket) -> bool:
        return self._master.answers(connection)

    def view(self) -> dict[str, Any]:
        """What it knows of the master. Raises RedisError."""
        with asked(self.port, self._password, self._tls) as client:
            found: dict[str, Any] = client.sentinel_master(NAME)
            return found


def listening(port: int, tls: RedisTls | None) -> str:
    """Where a server or a sentinel listens, and how it speaks to the others."""
    return f"{tls.lines(port)}tls-replication yes\n" if tls else f"port {port}\n"


def asked(port: int, password: str, tls: RedisTls | None) -> redis.Redis:
    of_tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(tls.authority)} if tls else {}
    return redis.Redis(LOOPBACK, port, password=password, socket_timeout=5, **of_tls)


class RedisSentinel:
    """Servers and three sentinels. `master()` is whom the sentinels name."""

    def __init__(self, replicas: int = 1, password: str = "of-these-servers", tls: RedisTls | None = None) -> None:
        self.password, self.tls = password, tls
        self.servers = [WatchedRedis(password, tls) for _ in range(1 + replicas)]
        self.sentinels: list[Sentinel] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            first, *others = self.servers
            self._start([first])
            for other in others:
                other.first_master = first
            self._start(others)
            self.sentinels = [Sentinel(first) for _ in range(3)]
            self._start(self.sentinels)
            for server in self.servers:
                server.first_master = None  # from now on the sentinels say it, also to one that comes back
            self.await_all()
            self._stack = self._stack.pop_all()
        return self

    def _start(self, servers: Sequence[Server]) -> None:
        for server in servers:
            self._stack.callback(server.close)
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(server.__enter__) for server in servers]:
                started.result()

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def url(self, database: int) -> str:
        hosts = ",".join(f"{LOOPBACK}:{sentinel.port}" for sentinel in self.sentinels)
        address = f"redis+sentinel://:{self.password}@{hosts}/{NAME}/{database}"
        return address.replace("redis", "rediss", 1) + self.tls.query if self.tls else address

    def master(self) -> WatchedRedis:
        """Whom most of the sentinels name."""
        named = [sentinel.view()["port"] for sentinel in self.sentinels]
        return next(server for server in self.servers if server.port == max(named, key=named.count))

    def mend(self) -> None:
        """Starts again whoever is dead, lets go on who stands still, and waits until all is as it was."""
        for server in (*self.servers, *self.sentinels):
            server.resume()
            if server.process is None:
                server.start()
        self.await_all()

    def await_all(self) -> None:
        """Waits until every sentinel knows the others, and that every replica follows the master."""
        deadline = time.monotonic() + WATCHED_SECONDS
        while not self._is_whole():
            if time.monotonic() > deadline:
                raise ServerFailed(f"the sentinels see {[sentinel.view() for sentinel in self.sentinels]}")
            time.sleep(0.1)

    def _is_whole(self) -> bool:
        try:
            views = [sentinel.view() for sentinel in self.sentinels]
            master = self.master()
            following = [server.info() for server in self.servers if server is not master]
        except redis.RedisError:
            return False
        return (
            {view["port"] for view in views} == {master.port}
            and {view["flags"] for view in views} == {"master"}
            and {view["num-other-sentinels"] for view in views} == {len(self.sentinels) - 1}
            and {view["num-slaves"] for view in views} == {len(following)}
            and {(each["role"], each.get("master_port"), each.get("master_link_status")) for each in following}
            <= {("slave", master.port, "up")}
        )
