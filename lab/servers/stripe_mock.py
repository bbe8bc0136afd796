"""stripe-mock, Stripe's own stand-in: it checks calls against Stripe's published schema, answers with examples, and
remembers nothing. Stripe offers it for tests, as a Go module: found on PATH, or built where Go is."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from lab.servers.ports import LOOPBACK
from lab.servers.private_server import Server, ServerFailed

MODULE = "github.com/stripe/stripe-mock@v0.203.0"
TOOLS = Path(__file__).resolve().parents[2] / "var" / "tools"
BUILD_SECONDS = 480


class StripeMock(Server):
    name = "stripe-mock"

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def __init__(self, program: str) -> None:
        super().__init__()
        self.program = program

    def command(self) -> list[str]:
        # Without an address for HTTPS it takes its usual port, which may be somebody else's.
        return [self.program, "-http-addr", f"{LOOPBACK}:{self.port}", "-https-addr", f"{LOOPBACK}:"]

    def answers(self, connection: socket.socket) -> bool:
        return True  # it listens when it has read everything


def find_or_build() -> str:
    """Returns the path of the program; it is built once for each checkout. Raises ServerFailed where it cannot be."""
    program = TOOLS / MODULE.rpartition("@")[2] / "stripe-mock"
    if found := shutil.which("stripe-mock") or shutil.which(program):
        return found
    if not (go := shutil.which("go")):
        raise ServerFailed("neither stripe-mock nor Go, which builds it, is installed")
    environment = {**os.environ, "GOBIN": str(program.parent)}
    done = subprocess.run(
        [go, "install", MODULE], env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    if done.returncode:
        raise ServerFailed(f"stripe-mock could not be built: {done.stderr.strip()[-500:]}")
    return str(program)
