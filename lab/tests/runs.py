"""`make run` and `make run-split` as tests start them: the real processes, on free ports."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from lab.run import leftovers
from lab.servers import LOOPBACK, free_port, still_free

START_SECONDS = 180  # a bound for slow machines, no measurement
PORT_TAKEN = "cannot be had (Address already in use)"


class Run:
    """One `make run` in a folder; what it says is in the file `out`."""

    module, files = "lab.run.whole", "var"
    port_names: tuple[str, ...] = ("HTTP_PORT", "GRPC_PORT")

    def __init__(self, folder: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        self.folder = folder
        self.ports = {name: str(free_port()) for name in self.port_names}
        self._chosen = kept | settings
        self._start()

    def _start(self) -> None:
        self.out = self.folder / f"out {len(list(self.folder.glob('out *')))}"
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                cwd=self.folder,
                env=self.ports | self._chosen,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def pids(self) -> dict[str, int]:
        return leftovers.find(self.folder / self.files / "run.pid")

    def await_welcome(self) -> None:
        """Waits until the shop is ready; starts again on other ports when somebody was quicker with one of ours."""
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C stops" not in self.out.read_text():
            if self.process.poll() is not None and PORT_TAKEN in self.out.read_text():
                self.ports = {name: str(still_free(int(port))) for name, port in self.ports.items()}
                self._start()
            assert self.process.poll() is None, self.out.read_text()
            assert time.monotonic() < deadline, self.out.read_text()
            time.sleep(0.1)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(START_SECONDS)

    def get(self, path: str, port: str = "HTTP_PORT") -> dict:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.ports[port]}/{path}", timeout=60) as answer:
            return json.load(answer)

    def says(self, path: str) -> bool:
        """Whether the web server answers."""
        try:
            return bool(self.get(path))
        except OSError:
            return False


class SplitRun(Run):
    """One `make run-split` in a folder."""

    module, files = "lab.run.split", "var/split"
    port_names = tuple(f"{name}_{kind}_PORT" for name in ("ORDERS", "GOODS", "STOCK") for kind in ("HTTP", "GRPC"))
