"""Native programs: the load never comes from Python, and the peer is a C program on the same database."""

import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

from grpc import StatusCode

from lab.servers.private_server import ServerFailed, find_program

FOLDER = Path(__file__).parent
STREAMS = 16  # callers on a connection


class Load(NamedTuple):
    """What a load generator saw: answers that count, and seconds."""

    answers: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


@cache
def build(name: str, folder: Path, *flags: str) -> Path:
    """Compiles a program of this folder, once."""
    program = folder / name
    command = [find_program("gcc", "cc"), "-O2", "-Wall", str(FOLDER / f"{name}.c"), "-o", str(program), *flags]
    subprocess.run(command, check=True)
    return program


def build_client(folder: Path) -> Path:
    """Compiles the C client."""
    flags = subprocess.run(
        [find_program("mariadb_config", "mysql_config"), "--cflags", "--libs"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return build("client", folder, *flags, "-lpthread")


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


class Calls(NamedTuple):
    """Calls of gRPC by how they ended, the seconds they took together, how long one took, in milliseconds, and how many
    succeeded in each second."""

    by_status: dict[str, int]
    seconds: float
    p50: float
    p99: float
    each_second: list[int]

    def load(self, status: str = "OK") -> Load:
        """Those that ended so. Raises ServerFailed when there are none: that is no measurement."""
        if not self.by_status.get(status):
            raise ServerFailed(f"No call ended with {status}: {self.by_status}")
        return Load(self.by_status[status], self.seconds)


def build_grpc_load(folder: Path) -> Path:
    """Compiles the generator of gRPC calls."""
    return build("grpc_load", folder, "-lnghttp2")


def build_viewers(folder: Path) -> Path:
    """Compiles the program full of viewers."""
    return build("viewers", folder)


def grpc_load(
    program: Path,
    address: str,
    path: str,
    *,
    body: Path,
    callers: int,
    seconds: int,
    streams: int = STREAMS,
    authorization: str = "",
    key_at: int = -1,
    buyer_at: int = -1,
    product_at: int = -1,
    products: int = 1,
    timeout: str = "-",
) -> Calls:
    """Unary calls from so many callers at once, `streams` of them on a connection; each with a key and a buyer of its
    own, and for one of so many `products`, if told where in the body they stand."""
    host, _, port = address.rpartition(":")
    words = [host, port, path, body, callers, min(callers, streams), seconds]
    words += [key_at, buyer_at, product_at, products, timeout, authorization]
    done = subprocess.run([str(program), *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerFailed(f"grpc_load: {done.stdout[-300:]}{done.stderr[-300:]}")
    return read_calls(done.stdout)


def read_calls(text: str) -> Calls:
    """Reads what the generator prints."""
    names = {code.value[0]: code.name for code in StatusCode} | {-1: "none"}
    lines = [line.split() for line in text.splitlines()]
    numbers = {words[0]: float(words[1]) for words in lines if len(words) == 2}
    by_status = {names[int(words[1])]: int(words[2]) for words in lines if words[0] == "status"}
    each_second = [int(words[2]) for words in lines if words[0] == "second"]
    return Calls(by_status, numbers["seconds"], numbers["p50"], numbers["p99"], each_second)
