"""Processes of the shop as compose.yaml starts them: as the image's user, on a root that cannot be written."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.supply.image.build import Image
from lab.supply.image.roots import StepFailed, inside, last_lines

END_SECONDS = 20
START_SECONDS = 60
POLL_SECONDS = 0.2


@dataclass(slots=True)
class Container:
    """A root that cannot be written, and the settings of whoever runs in it."""

    name: str
    image: Image
    root: Path
    settings: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def words(self, command: Sequence[str]) -> list[str]:
        return [*inside(self.root, self.image.folder, self.image.user), *command]

    @property
    def environment(self) -> dict[str, str]:
        return {"HOME": "/home/charites", **self.image.environment, **self.settings}

    def start(self, command: Sequence[str]) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.words(command),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def carry_out(self, command: Sequence[str], *, fails: bool = False) -> str:
        """Runs a command beside its process; returns what it says. Raises StepFailed, also where it should fail."""
        done = subprocess.run(
            self.words(command),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if bool(done.returncode) != fails:
            raise StepFailed(f"{self.name}: exit code {done.returncode}\n{last_lines(done.stdout)}")
        return done.stdout.strip()

    def await_health(self, command: Sequence[str]) -> None:
        """Runs the health check until it is content. Raises StepFailed when the process ends, or after a while."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.carry_out(command)
                return
            except StepFailed:
                if time.monotonic() > deadline or self.process is None or self.process.poll() is not None:
                    raise
                time.sleep(POLL_SECONDS)

    def end(self) -> int:
        """Asks the process to end as Docker does, and returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(END_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends all that is left of it."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            self.process.wait()

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def processes(self) -> list[Path]:
        """Its processes, as folders of /proc."""
        assert self.process is not None
        session = str(self.process.pid)
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                if status.read_text().rpartition(")")[2].split()[3] == session:
                    found.append(status.parent)
            except OSError:  # it has ended meanwhile
                continue
        return found

    def threads(self) -> int:
        return sum(len(list((process / "task").iterdir())) for process in self.processes())

    def memory_bytes(self) -> int:
        """What its processes have in memory; what they share counts once."""
        texts = [(process / "smaps_rollup").read_text() for process in self.processes()]
        return sum(int(line.split()[1]) << 10 for text in texts for line in text.splitlines() if line[:4] == "Pss:")


@contextmanager
def container(
    name: str, image: Image, folder: Path, settings: Mapping[str, str], sizes: Mapping[str, str]
) -> Iterator[Container]:
    """A container while the block lasts; its process is killed at the end, if it is still there."""
    with image.layer.read_only(folder / name, sizes) as root:
        made = Container(name, image, root, settings, folder / f"{name}.log")
        try:
            yield made
        finally:
            made.kill()
