"""The shop's web server under load, and the same server with views that do nothing."""

import itertools
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path

from honcho.environ import parse_procfile

from lab.bench.native import FOLDER, Load
from lab.bench.ratio import Contestant
from lab.bench.stage import START_SECONDS, Stage, children_of
from lab.kit.processes.shop import wait_until
from lab.servers.ports import LOOPBACK, free_port, still_free
from lab.servers.private_server import ServerFailed, find_program

SHOP, NOTHING = "charites.asgi:application", "lab.bench.empty_rest:application"
READERS, BUYERS = 1_000, 10_000
FIRST_BUYERS = itertools.count(1, BUYERS)  # of each turn


class RestShop:
    """The Procfile's web server, with as many processes and threads as it says, and an application."""

    def __init__(self, stage: Stage, application: str = SHOP, **settings: str) -> None:
        self._stage = stage
        self.port = still_free(free_port())
        self._address = f"http://{LOOPBACK}:{self.port}"
        command = parse_procfile(Path("Procfile").read_text()).processes["web"].replace(SHOP, application)
        pid = stage.start_command(["sh", "-c", command], HTTP_HOST=LOOPBACK, HTTP_PORT=str(self.port), **settings)
        wait_until(lambda: answers(f"{self._address}/livez"), seconds=START_SECONDS, what=f"{application} answers")
        self.pids = [pid, *children_of(pid)]
        self._tokens = stage.folder / "tokens"

    def contestant(self, name: str, path: str, body: Path | None = None, *, connections: int) -> Contestant:
        """Requests by many users in turn; those that succeed count. With a body they are POSTs, in each turn by buyers
        of its own: one buyer may have few unpaid orders."""

        def prepare() -> None:
            first, count = (next(FIRST_BUYERS), BUYERS) if body else (1, READERS)
            write_tokens(self._tokens, range(first, first + count))

        def load(seconds: int) -> Load:
            found = wrk(self._address + path, [self._tokens, *([body] if body else [])], connections, seconds)
            if found["refused"] or found["lost"] or not found["ok"]:
                raise ServerFailed(f"{name}: not all requests succeeded: {found}")
            return Load(int(found["ok"]), found["seconds"])

        return Contestant(f"{name}, {connections} connections", load, self.pids, prepare)


def answers(url: str) -> bool:
    """Whether a server answers anything at all."""
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def wrk(url: str, arguments: Sequence[Path], connections: int, seconds: int) -> dict[str, float]:
    """Loads an address with keep-alive connections; returns what `requests.lua` prints."""
    words = ["-t2", f"-c{connections}", f"-d{seconds}s", "-s", str(FOLDER / "requests.lua"), url, "--"]
    command = [find_program("wrk"), *words, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerFailed(f"wrk: {done.stdout[-300:]}{done.stderr[-300:]}")
    return read_counts(done.stdout)


def read_counts(text: str) -> dict[str, float]:
    """Reads the lines that `requests.lua` adds to wrk's own."""
    names = ("ok", "refused", "lost", "seconds", "p50", "p99")
    lines = (line.split() for line in text.splitlines())
    return {words[0]: float(words[1]) for words in lines if len(words) == 2 and words[0] in names}


def write_tokens(file: Path, user_ids: Iterable[int]) -> None:
    """Writes the tokens of users, one a line."""
    from charites.common import clock  # noqa: PLC0415 (after the settings)
    from charites.common.auth import Role, issue_token  # noqa: PLC0415

    now = clock.now()
    tokens = (
        issue_token(user_id=user_id, role=Role.CUSTOMER, now=now, lifetime_seconds=86_400) for user_id in user_ids
    )
    file.write_text("".join(f"{token}{os.linesep}" for token in tokens))
