"""A shop of its own, with the demo's data and the commands of the Procfile."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from honcho.environ import parse_procfile

from lab.servers import LOOPBACK, EmbeddedRedis, free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Addresses:
    """Host and port of both doors."""

    web: str
    grpc: str


@contextmanager
def running_shop(**settings: str) -> Iterator[Addresses]:
    """Runs web and gRPC while the block does. Raises RuntimeError, ServerFailed."""
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="charites-doors-", dir="/tmp")))
        redis, ports = ends.enter_context(EmbeddedRedis()), {name: str(free_port()) for name in ("HTTP", "GRPC")}
        environment = {
            **os.environ,
            **{"ENV_FILE": "", "DEBUG": "true", "DEMO": "true", "METRICS_DIR": "", "LOG_LEVEL": "WARNING"},
            **{f"{name}_PORT": port for name, port in ports.items()},
            **{"HTTP_HOST": LOOPBACK, "GRPC_HOST": LOOPBACK, "SECRET_KEY": secrets.token_hex(32)},
            **{"DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}", "REDIS_URL": redis.url},
            **{"CELERY_BROKER_URL": redis.broker_url, "PYTHONUNBUFFERED": "1"},
            **{"MAX_UNPAID_ORDERS": "0", "PLACE_RATE": "0"},  # one buyer orders again and again
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            **settings,
        }
        for words in (["migrate", "--verbosity", "0"], ["seed"]):
            subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=environment, check=True)
        commands = parse_procfile((ROOT / "Procfile").read_text()).processes
        for kind in ("web", "grpc"):
            ends.callback(end, start(commands[kind], environment, folder / f"{kind}.log"))
        addresses = Addresses(f"{LOOPBACK}:{ports['HTTP']}", f"{LOOPBACK}:{ports['GRPC']}")
        await_start(addresses, folder)
        yield addresses


def start(command: str, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(
            ["bash", "-c", command], cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True
        )


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def await_start(addresses: Addresses, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://{addresses.web}/livez").is_success and "gRPC on" in (folder / "grpc.log").read_text():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the shop did not start:\n" + "\n".join(log.read_text()[-2000:] for log in folder.glob("*.log")))
