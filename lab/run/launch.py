"""One run of the shop in a terminal, from the preparations to the end: what `make run` and `make run-split` share.

Web, gRPC, worker and sweep of every service as in the Procfile, and an embedded Redis where no REDIS_URL says
otherwise, all under one supervisor. Everything that lasts is in one folder.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from honcho.environ import parse_procfile

from lab.run import leftovers
from lab.run.environment import ROOT, chosen, write
from lab.run.shop_service import CannotRun, Service, check_database_clients, check_ports
from lab.run.supervisor import Supervisor
from lab.servers import EmbeddedRedis, ServerFailed

READY_SECONDS = 180
LAST_LINES = 15


class ShopRedis(EmbeddedRedis):
    """The embedded server with its data in the folder of the run, so that it is kept between runs."""

    def __init__(self, url: str, folder: Path) -> None:  # the base class would make a temporary folder
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.port, self.password = urlsplit(url).port or 6379, urlsplit(url).password or ""
        self.process = None

    def close(self) -> None:
        self.stop()


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs, and what is said when all of it is ready. `sizes`: of processes, where nobody chose one."""

    services: Sequence[Service]
    welcome: str
    sizes: Mapping[str, str] = field(default_factory=dict)


def say(line: str) -> None:
    print(line, flush=True)


class Launch:
    """The run of one command, such as `make run`, which keeps its files in `folder`.

    `other_ports`: what to add to the command in another checkout, which cannot have the same ports.
    """

    def __init__(self, command: str, folder: Path, other_ports: str) -> None:
        self.command = command
        self.other_ports = other_ports
        self.folder = folder
        self.logs = folder / "log"
        self.pid_file = folder / "run.pid"
        self.heir: subprocess.Popen[bytes] | None = None

    def main(self, make_plan: Callable[[], Plan]) -> int:
        """Runs to the end; returns the exit code. `make_plan` may raise CannotRun."""
        os.chdir(ROOT)
        # A polite end during the preparations runs the clean-up; later the supervisor takes the signals over.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.refuse_second_run()
            self.note_processes({})
            self.heir = leftovers.end_after_this_process(self.pid_file)
            self.prepare_logs()
            plan = make_plan()
            check_ports(plan.services, self.command)
            check_database_clients(plan.services, self.command)
            for service in plan.services:
                write(service.values, service.file)
            say("charites: starting")
            return self.run(plan)
        except (CannotRun, ServerFailed) as error:
            print(f"charites: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            return 130
        finally:
            self.clear_pid_file()
        return 1

    def run(self, plan: Plan) -> int:
        """Prepares the databases and supervises the processes to their end; returns the exit code."""
        environments = {service.name: service.environment(plan.sizes) for service in plan.services}
        redis_url = plan.services[0].values["REDIS_URL"]
        redis = None if "REDIS_URL" in chosen(os.environ) else ShopRedis(redis_url, self.folder / "redis")
        with self.started(redis):
            self.manage(plan, environments, "migrate", "--verbosity", "0")
            self.manage(plan, environments, "seed")
        parent = os.getppid()
        supervisor = Supervisor(
            self.logs,
            say=say,
            on_start=lambda: in_background(
                lambda: self.announce_when_ready(supervisor, plan), lambda: stop_with_parent(parent)
            ),
            on_change=self.note_processes,
        )
        if redis is not None:
            supervisor.add("redis", "exec " + shlex.join(redis.command()), dict(os.environ))
        for service in plan.services:
            for kind, command in parse_procfile((ROOT / "Procfile").read_text()).processes.items():
                supervisor.add(service.process(kind), command, environments[service.name])
        supervisor.loop()
        return self.verdict(supervisor)

    def refuse_second_run(self) -> None:
        """Ends what a crashed run left behind; refuses to run beside one that is alive."""
        running = leftovers.find(self.pid_file)
        if leftovers.SUPERVISOR in running:
            raise CannotRun(
                f"This checkout is running already (pid {running[leftovers.SUPERVISOR]}): stop it with Ctrl-C in its "
                f"terminal. Another checkout runs beside it on other ports: {self.command} {self.other_ports}"
            )
        leftovers.end(running)

    def note_processes(self, pids: dict[str, int]) -> None:
        leftovers.note(self.pid_file, {leftovers.SUPERVISOR: os.getpid(), **pids})

    def clear_pid_file(self) -> None:
        if leftovers.find(self.pid_file).get(leftovers.SUPERVISOR) == os.getpid():
            self.pid_file.unlink()

    def prepare_logs(self) -> None:
        """Begins new ones. Those of the start before stay beside them, for whoever asks why it ended."""
        self.logs.mkdir(exist_ok=True)
        for log in self.logs.glob("*.log.1"):
            log.unlink()
        for log in self.logs.glob("*.log"):
            log.replace(f"{log}.1")

    @contextmanager
    def started(self, redis: ShopRedis | None) -> Iterator[None]:
        """The embedded Redis while migrations and seed run; the supervisor starts it again with the others."""
        if redis is None:
            yield
            return
        with closing(redis):
            redis.start()  # on its port or not at all: the address is in everybody's settings
            self.note_processes({"redis": redis.process.pid} if redis.process else {})
            yield

    def manage(self, plan: Plan, environments: Mapping[str, dict[str, str]], *words: str) -> None:
        """Runs a command of manage.py to its end, for all services at once; its words go to their setup.log."""
        children: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for service in plan.services:
                name = service.process("setup")
                with (self.logs / f"{name}.log").open("a") as log:
                    children[name] = subprocess.Popen(
                        [sys.executable, "manage.py", *words],
                        cwd=ROOT,
                        env=environments[service.name],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
            failed = [name for name, child in children.items() if child.wait()]
        finally:
            for child in children.values():
                child.kill()
                child.wait()
        if failed:
            raise CannotRun(f"manage.py {' '.join(words)} failed:\n{self.last_lines(failed[0])}")

    def announce_when_ready(self, supervisor: Supervisor, plan: Plan) -> None:
        """Waits until every service says that all is well, and says welcome, last."""
        deadline = time.monotonic() + READY_SECONDS
        late: list[str] = []
        while time.monotonic() < deadline and not supervisor.is_ending:
            answers = {service: service.readiness() for service in plan.services}
            late = [f"{service.web_address}statusz: {said}" for service, said in answers.items() if said != "ready"]
            if not late:
                supervisor.is_up = True
                say(plan.welcome)
                return
            time.sleep(0.2)
        supervisor.is_up = True
        if not supervisor.is_ending:
            say(f"charites: not ready after {READY_SECONDS} s; {'; '.join(late)}\nThe logs are in {shown(self.logs)}.")

    def verdict(self, supervisor: Supervisor) -> int:
        """Says how it ended: asked for, or because a process would not run, which fails loudly."""
        name = supervisor.given_up
        if name is None:
            say("charites: stopped.")
            return 0
        child = supervisor.children[name]
        code, lives = child.code or 0, child.short_lives
        often = f"{lives} times, each soon after its start and at last" if supervisor.is_up else "at its start,"
        say(f"The last lines of {shown(self.logs)}/{name}.log:\n{self.last_lines(name)}")
        say(f"charites: {name} ended {often} with code {code}, so everything was stopped.")
        return code if 0 < code < 256 else 1

    def last_lines(self, name: str) -> str:
        log = self.logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(f"  {line}" for line in lines[-LAST_LINES:])


def shown(path: Path) -> str:
    """Returns a path as seen from the checkout, where the commands are."""
    return str(path.relative_to(ROOT))


def stop_with_parent(parent: int) -> None:
    """Asks this process to end when make, or the terminal, is gone: nobody could stop the shop any more."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def in_background(*functions: Callable[[], None]) -> None:
    for function in functions:
        threading.Thread(target=function, daemon=True).start()
