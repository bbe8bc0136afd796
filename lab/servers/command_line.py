"""Servers started side by side for one command, which is told where they are."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from lab.servers.mariadb import MariaDB
from lab.servers.private_server import Server, ServerFailed
from lab.servers.rabbitmq import RabbitMQ
from lab.servers.redis import Redis

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
                found["CELERY_BROKER_URL"] = server.url
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
        sys.exit(f"usage: python -m lab.servers [{'|'.join(KINDS)}]... -- command")
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
