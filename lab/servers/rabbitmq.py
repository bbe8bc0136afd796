"""A private RabbitMQ."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

import amqp
from amqp.exceptions import AMQPError

from lab.servers.ports import LOOPBACK, free_port
from lab.servers.private_server import DEPLOY, PortTaken, Server, ServerFailed, find_program


class RabbitMQ(Server):
    """RabbitMQ with its own node name, distribution port and port mapper (epmd); takes about ten seconds."""

    name = "rabbitmq"
    start_seconds = 90.0

    def __init__(self) -> None:
        super().__init__()
        self.distribution_port = free_port()
        self.mapper_port = free_port()
        self.node = f"charites{self.port}@localhost"
        self.mapper: subprocess.Popen[bytes] | None = None

    def change_ports(self) -> None:
        self._end_mapper()
        super().change_ports()
        self.distribution_port, self.mapper_port = free_port(), free_port()
        self.node = f"charites{self.port}@localhost"

    def ports(self) -> list[int]:
        return [self.port, self.distribution_port, self.mapper_port]

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}//"

    def prepare(self) -> None:
        (self.folder / "enabled_plugins").write_text("[].\n")

    def settings(self) -> str:
        """What it reads: the file of production, and what is its own."""
        own = f"listeners.tcp.1 = {LOOPBACK}:{self.port}\ndisk_free_limit.absolute = 50MB\n"
        return (DEPLOY / "rabbitmq.conf").read_text() + own

    def start(self) -> None:
        (self.folder / "rabbitmq.conf").write_text(self.settings())
        if self.mapper is None:
            self.start_mapper()
        try:
            super().start()
        except PortTaken:
            raise
        except ServerFailed as error:
            if self._is_mapped():
                raise
            raise PortTaken(f"{self.name} has no port mapper: {error}") from error

    def start_mapper(self) -> None:
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
            "RABBITMQ_NODENAME": self.node,
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
        """Whether a quorum queue can be made: it listens before it opens connections, and opens them before that."""
        name = f"ready-{secrets.token_hex(8)}"  # another one each time: a try that broke off may have made it
        try:
            with amqp.Connection(f"{LOOPBACK}:{self.port}", connect_timeout=5, read_timeout=5) as client:
                channel = client.channel()
                channel.queue_declare(name, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
                channel.queue_delete(name)
        except AMQPError:
            return False
        return True

    def empty(self) -> None:
        """Starts it again with nothing in it: no queues, no exchanges, no messages."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        self.start()

    def control(self, *words: str) -> str:
        """Runs a command of rabbitmqctl; returns what it says."""
        behind = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
        program = str(behind) if behind.exists() else find_program("rabbitmqctl")
        command = [program, "--node", self.node, *words]
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
