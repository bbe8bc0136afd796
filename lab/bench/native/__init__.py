"""Native programs: the load never comes from Python, and the peer is a C program on the same database."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from lab.servers.private_server import ServerFailed, find_program

SOURCE = Path(__file__).with_name("client.c")


class Load(NamedTuple):
    """What a load generator saw: answers (of whatever kind) and seconds."""

    answers: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


def build_client(folder: Path) -> Path:
    """Compiles the C client."""
    program = folder / "client"
    flags = subprocess.run(
        [find_program("mariadb_config", "mysql_config"), "--cflags", "--libs"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    subprocess.run(
        [find_program("gcc", "cc"), "-O2", "-Wall", str(SOURCE), "-o", str(program), *flags, "-lpthread"], check=True
    )
    return program


def run_client(
    program: Path, *, port: int, database: str, goods_id: int, threads: int, seconds: int, first: int
) -> Load:
    """One transaction an order, as many as it can. Raises ServerFailed with what the database said."""
    words = ["127.0.0.1", port, "root", database, goods_id, threads, seconds, first]
    done = subprocess.run([str(program), *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerFailed(f"the C client: {done.stderr.strip()}")
    orders, took = done.stdout.split()
    return Load(int(orders), float(took))


def h2load(url: str, *, body: Path, headers: dict[str, str], callers: int, seconds: int) -> Load:
    """Unary gRPC calls with one body, from so many callers at once, 16 on a connection."""
    connections = max(1, callers // 16)
    words = ["-c", connections, "-m", callers // connections, "-D", seconds, "-d", body]
    named = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [
            find_program("h2load"),
            *map(str, words),
            *named,
            "-H",
            "te: trailers",
            "-H",
            "content-type: application/grpc",
            url,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    answered = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    took = re.search(r"finished in ([\d.]+)(ms|s)", done.stdout)
    if done.returncode or not answered or not took or any(map(int, answered.groups()[1:])):
        raise ServerFailed(f"h2load: {done.stdout[-500:]}{done.stderr[-500:]}")
    return Load(int(answered[1]), float(took[1]) / (1000 if took[2] == "ms" else 1))
