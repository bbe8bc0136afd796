"""What the private servers have in common: a process with a port and a folder of its own."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.servers.ports import LOOPBACK, free_port, given_ports

# The settings of production, which the private servers read first.
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
STOP_SECONDS = 20
START_TRIES = 5  # on other ports, when somebody has come first
# What the servers say of a port that somebody else has: C programs, Erlang, RabbitMQ of another node on its own port.
TAKEN = re.compile("address already in use|eaddrinuse|dist_port_already_used", re.IGNORECASE)


class ServerFailed(RuntimeError):
    """A server that cannot be found, or did not come up."""


class PortTaken(ServerFailed):
    """A server that did not come up because somebody else listens on a port of its."""


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
