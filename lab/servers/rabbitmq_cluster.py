"""Three private RabbitMQ nodes that are one broker, with the configuration of production."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Self

from lab.servers.ports import free_port
from lab.servers.private_server import DEPLOY, ServerFailed
from lab.servers.rabbitmq import RabbitMQ

CONFIGURATION = DEPLOY / "rabbitmq-cluster.conf"
NAMES = ("one", "two", "three")
COOKIE = "a-secret-of-these-three-nodes"
# Erlang waits for work by spinning, which three nodes on a few cores would do at each other's cost.
NO_SPINNING = "+sbwt none +sbwtdcpu none +sbwtdio none +S 2:2"
WHOLE_SECONDS = 60.0


class RabbitMQNode(RabbitMQ):
    """One of three. Its name says nothing of its ports, which the port mapper of the first node knows."""

    name = "rabbitmq-node"
    start_seconds = 180.0

    def __init__(self, number: int, first: "RabbitMQNode | None") -> None:
        super().__init__()
        self.node = f"{NAMES[number]}@localhost"
        self._first = first or self
        self.mapper_port = self._first.mapper_port

    def change_ports(self) -> None:
        self.port, self.distribution_port = free_port(), free_port()

    def prepare(self) -> None:
        super().prepare()
        cookie = self.folder / ".erlang.cookie"
        cookie.touch(mode=0o600)
        cookie.write_text(COOKIE)
        cookie.chmod(0o400)

    def start(self) -> None:
        self.mapper = self._first.mapper  # started before any of them
        super().start()

    def settings(self) -> str:
        """Raises ServerFailed where the file of production has other names by now."""
        text = CONFIGURATION.read_text()
        for number, name in enumerate(NAMES, 1):
            old = f"classic_config.nodes.{number} = rabbit@{name}\n"
            if old not in text:
                raise ServerFailed(f"{CONFIGURATION.name} has no {old!r}")
            text = text.replace(old, f"classic_config.nodes.{number} = {name}@localhost\n")
        return super().settings() + text

    def environment(self) -> dict[str, str]:
        found = super().environment()
        spinning = found["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
        return {**found, "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{spinning} {NO_SPINNING}"}

    def close(self) -> None:
        if self._first is not self:
            self.mapper = None  # the first one ends it
        super().close()


class RabbitMQCluster:
    """`nodes`: three of them; a queue that is a quorum queue outlives each."""

    def __init__(self) -> None:
        first = RabbitMQNode(0, None)
        self.nodes = [first, *(RabbitMQNode(number, first) for number in (1, 2))]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack, ThreadPoolExecutor() as pool:
            for node in self.nodes:
                self._stack.callback(node.close)
            self.nodes[0].start_mapper()
            for started in [pool.submit(node.__enter__) for node in self.nodes]:
                started.result()
            self.await_all()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return ";".join(node.url for node in self.nodes)

    def running(self) -> list[RabbitMQNode]:
        return [node for node in self.nodes if node.process]

    def ask(self, *words: str) -> Any:
        """What rabbitmqctl says of the cluster, asked of a node that runs."""
        return json.loads(self.running()[0].control(*words, "--formatter", "json"))

    def mend(self) -> None:
        """Starts again whoever is dead, and waits until all is as it was."""
        dead = [node for node in self.nodes if not node.process]
        for node in dead:
            node.start()
        if dead:
            self.await_all()

    def await_all(self) -> None:
        """Waits until every node knows that the others run."""
        deadline = time.monotonic() + WHOLE_SECONDS
        while len(seen := self.ask("cluster_status")["running_nodes"]) < len(self.nodes):
            if time.monotonic() > deadline:
                raise ServerFailed(f"the cluster is {seen}")

    def leader_of(self, queue: str) -> RabbitMQNode:
        """The node that leads a quorum queue."""
        (leader,) = (row["leader"] for row in self.ask("list_queues", "name", "leader") if row["name"] == queue)
        return self.named(leader)

    def named(self, name: str) -> RabbitMQNode:
        return next(node for node in self.nodes if node.node == name)
