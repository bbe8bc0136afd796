"""The whole shop on this machine, in one terminal: `make run`.

Web, gRPC, worker and sweep as in the Procfile, and an embedded Redis where no REDIS_URL says otherwise. What is set in
the environment or in .env wins over the demo's values. Everything that lasts is in var/.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from honcho.environ import parse_procfile

from deploy import leftovers
from deploy.environment import ROOT, VAR, chosen, demo_environment, write
from deploy.servers import LOOPBACK, EmbeddedRedis, ServerFailed
from deploy.supervisor import Supervisor

LOGS = VAR / "log"
PID_FILE = VAR / "run.pid"
READY_SECONDS = 90
LAST_LINES = 15


class CannotRun(Exception):
    """Why the shop cannot start, in one sentence that says what to do."""


class ShopRedis(EmbeddedRedis):
    """The embedded server with its data in var/, so that it is kept between runs."""

    def __init__(self, url: str) -> None:  # the base class would make a temporary folder
        self.folder = VAR / "redis"
        self.folder.mkdir(exist_ok=True)
        self.port = urlsplit(url).port or 6379
        self.process = None

    def close(self) -> None:
        self.stop()


def say(line: str) -> None:
    print(line, flush=True)


def prepare_logs() -> None:
    LOGS.mkdir(exist_ok=True)
    for log in LOGS.glob("*.log"):
        log.unlink()


def refuse_second_run() -> None:
    """Ends what a crashed run left behind; refuses to run beside one that is alive."""
    running = leftovers.find(PID_FILE)
    if leftovers.SUPERVISOR in running:
        raise CannotRun(
            f"This checkout is running already (pid {running[leftovers.SUPERVISOR]}): stop it with Ctrl-C in its "
            "terminal. Another checkout runs beside it on other ports: make run HTTP_PORT=8010 GRPC_PORT=8091"
        )
    leftovers.end(running)


def note_processes(pids: dict[str, int]) -> None:
    leftovers.note(PID_FILE, {leftovers.SUPERVISOR: os.getpid(), **pids})


def check_port(values: dict[str, str], kind: str) -> None:
    """Raises CannotRun when somebody listens where the HTTP or the gRPC port should be."""
    host, port = values[f"{kind}_HOST"], values[f"{kind}_PORT"]
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except ValueError:
            raise CannotRun(f"{kind}_PORT={port} is not a port number.") from None
        except (OSError, OverflowError) as error:
            raise CannotRun(
                f"Port {port} on {host}, the {kind} port, cannot be had ({getattr(error, 'strerror', error)}): "
                "choose others with make run HTTP_PORT=8010 GRPC_PORT=8091"
            ) from None


def check_database_client(values: dict[str, str]) -> None:
    if not values["DATABASE_URL"].startswith("mysql"):
        return
    if subprocess.run([sys.executable, "-c", "import MySQLdb"], capture_output=True).returncode:
        raise CannotRun(
            "DATABASE_URL names MySQL, whose client is not installed: .venv/bin/pip install -r requirements.txt "
            "(needs a C compiler, pkg-config and libmariadb-dev), then make run again."
        )


def child_environment(values: dict[str, str]) -> dict[str, str]:
    """Returns what every process of the shop gets; the metrics of all of them meet in one emptied folder."""
    metrics = Path(values["METRICS_DIR"])
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    own = {"PATH": path, "PROMETHEUS_MULTIPROC_DIR": str(metrics), "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **values, **own}


def manage(environment: dict[str, str], *words: str) -> None:
    """Runs a command of manage.py to its end; its words go to var/log/setup.log."""
    command = [sys.executable, "manage.py", *words]
    with (LOGS / "setup.log").open("a") as log:
        code = subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        ).returncode
    if code:
        raise CannotRun(f"manage.py {' '.join(words)} failed:\n{last_lines('setup')}")


def last_lines(name: str) -> str:
    log = LOGS / f"{name}.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  {line}" for line in lines[-LAST_LINES:])


@contextmanager
def started(redis: ShopRedis | None) -> Iterator[None]:
    """The embedded Redis while migrations and seed run; the supervisor starts it again with the others."""
    if redis is None:
        yield
        return
    with redis:
        note_processes({"redis": redis.process.pid} if redis.process else {})
        yield


def announce_when_ready(supervisor: Supervisor, values: dict[str, str]) -> None:
    """Notes the processes, waits for /readyz, and prints the addresses, last."""
    while not supervisor.is_started:
        time.sleep(0.01)
    note_processes(supervisor.pids())
    deadline = time.monotonic() + READY_SECONDS
    answer = "nothing"
    while time.monotonic() < deadline and not supervisor.return_codes():
        answer = readiness(values)
        if answer == "ready":
            say(welcome(values))
            return
        time.sleep(0.2)
    if not supervisor.return_codes():
        say(f"charites: not ready after {READY_SECONDS} s; /readyz answers: {answer}\nThe logs are in var/log.")


def readiness(values: dict[str, str]) -> str:
    try:
        with urllib.request.urlopen(f"{web_address(values)}readyz", timeout=5) as response:
            return "ready" if response.status == 200 else str(response.status)
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode(errors='replace')[:500]}"
    except OSError as error:
        return str(error)


def web_address(values: dict[str, str]) -> str:
    host = LOOPBACK if values["HTTP_HOST"] in ("0.0.0.0", "::") else values["HTTP_HOST"]
    return f"http://{host}:{values['HTTP_PORT']}/"


def welcome(values: dict[str, str]) -> str:
    web = web_address(values)
    login = "buyer, buyer2 or staff, password charites" if values["DEMO"].lower() in ("true", "1") else "none (no DEMO)"
    return (
        f"\n  shop    {web}\n"
        f"  API     {web}api/docs\n"
        f"  admin   {web}admin/\n"
        f"  gRPC    {values['GRPC_HOST']}:{values['GRPC_PORT']}\n"
        f"  login   {login}\n"
        f"\n  Unpaid orders close after {values['ORDER_PAY_TIMEOUT_SECONDS']} s. Logs are in var/log. "
        "Ctrl-C stops all of it.\n"
    )


def stop_with_parent(parent: int) -> None:
    """Asks this process to end when make, or the terminal, is gone: nobody could stop the shop any more."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def in_background(*functions: Callable[[], None]) -> None:
    for function in functions:
        threading.Thread(target=function, daemon=True).start()


def run(values: dict[str, str], redis: ShopRedis | None) -> int:
    """Prepares the database and supervises the processes to their end; returns the exit code."""
    environment = child_environment(values)
    with started(redis):
        manage(environment, "migrate", "--verbosity", "0")
        manage(environment, "seed")
    parent = os.getppid()
    supervisor = Supervisor(
        LOGS,
        environment,
        on_start=lambda: in_background(
            lambda: announce_when_ready(supervisor, values), lambda: stop_with_parent(parent)
        ),
    )
    if redis is not None:
        supervisor.add("redis", "exec " + shlex.join(redis.command()))
    for name, command in parse_procfile((ROOT / "Procfile").read_text()).processes.items():
        supervisor.add(name, command)
    supervisor.loop()
    return verdict(supervisor)


def verdict(supervisor: Supervisor) -> int:
    """Says how it ended: asked for, or because a process died, which fails loudly."""
    name = supervisor.first_stopped
    if name is None:
        say("charites: stopped.")
        return 0
    code = supervisor.return_codes()[name]
    say(f"The last lines of var/log/{name}.log:\n{last_lines(name)}")
    say(f"charites: {name} died with code {code}, so everything was stopped.")
    return code if 0 < code < 256 else 1


def main() -> int:
    os.chdir(ROOT)
    # A polite end during the preparations runs the clean-up; later the supervisor takes the signals over.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    try:
        VAR.mkdir(exist_ok=True)
        refuse_second_run()
        note_processes({})
        prepare_logs()
        values = demo_environment(os.environ)
        check_port(values, "HTTP")
        check_port(values, "GRPC")
        check_database_client(values)
        redis = None if "REDIS_URL" in chosen(os.environ) else ShopRedis(values["REDIS_URL"])
        write(values)
        say("charites: starting")
        return run(values, redis)
    except CannotRun as error:
        print(f"charites: {error}", file=sys.stderr)
    except ServerFailed as error:
        print(f"charites: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    finally:
        clear_pid_file()
    return 1


def clear_pid_file() -> None:
    if leftovers.find(PID_FILE).get(leftovers.SUPERVISOR) == os.getpid():
        PID_FILE.unlink()


if __name__ == "__main__":
    sys.exit(main())
