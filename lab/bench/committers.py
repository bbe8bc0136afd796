"""Processes that place batches of orders with nothing in front of them: no transport, no queue, one thread each."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Self

from lab.bench.b1_in_process import place_for
from lab.bench.native import Load
from lab.servers.private_server import ServerFailed


class Committer:
    """One of them; `pid`: its process."""

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, "-m", __name__], stdin=pipe, stdout=pipe, text=True)
        self.pid = self._process.pid
        return self

    def __exit__(self, *failure: Any) -> None:
        self._process.communicate()

    def begin(self, *, goods_id: int, batch: int, seconds: int) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"goods_id": goods_id, "batch": batch, "seconds": seconds}) + "\n")
        self._process.stdin.flush()

    def end(self) -> Load:
        """What it placed. Raises ServerFailed when it did not come to an end."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise ServerFailed("A process that places orders has died; what it said stands above.")
        return Load(*json.loads(line))


def commit(committers: Sequence[Committer], goods_ids: Sequence[int], *, batch: int, seconds: int) -> Load:
    """All of them at once, each for the product that stands at its place."""
    for committer, goods_id in zip(committers, goods_ids, strict=True):
        committer.begin(goods_id=goods_id, batch=batch, seconds=seconds)
    loads = [committer.end() for committer in committers]
    return Load(sum(load.answers for load in loads), max(load.seconds for load in loads))


def place_when_told() -> None:
    """The process: places until its input ends."""
    import django  # noqa: PLC0415

    django.setup()
    from charites.common import logs  # noqa: PLC0415

    # Lines are written as a server writes them, and nobody reads them; the answers go to the output.
    if logs.Access.stream:
        logs.Access.stream.write_to(open(os.devnull, "w"))  # noqa: SIM115 (as long as the process)
    for line in sys.stdin:
        wanted = json.loads(line)
        load = place_for(wanted.pop("seconds"), **wanted)
        sys.stdout.write(json.dumps(load) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    place_when_told()
