"""The image without a registry: `python -m lab.supply.image`.

Carries out the Dockerfile's own steps in a Debian root that stands in for the base image, starts the processes as
compose.yaml does, as the image's user on a root that cannot be written, and asks them. Needs Linux, root, debootstrap
and the sources of Debian's and Python's packages. Everything happens in namespaces of mounts, processes and network
that end with this program, and in folders that it removes. (Killed with -9, it leaves these folders, and nothing else.)
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import NoReturn

from lab.supply.image.roots import is_root_of_linux
from lab.supply.image.run import run

PROGRAMS = ("debootstrap", "unshare", "setpriv", "mount", "umount")
END_SECONDS = 90  # three servers have 20 each


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.supply.image")
    parser.add_argument("--base", type=Path, help="a folder for the root without the image, kept for the next time")
    parser.add_argument("--mirror", help="where debootstrap gets Debian from, when not from its usual place")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = read_options()
    if options.inside:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop_once)
        return run(options)
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    if not is_root_of_linux() or absent:
        missing = f"; not installed: {', '.join(absent)}" if absent else ""
        sys.exit(f"charites: `make image` needs Linux, and root to mount and change roots{missing}.")
    folder = Path(tempfile.mkdtemp(prefix="charites-image-"))
    try:
        return run_inside(folder)
    finally:
        shutil.rmtree(folder)


def stop_once(number: int, frame: FrameType | None) -> NoReturn:
    """Ends the program in order, and lets nobody disturb that."""
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def run_inside(folder: Path) -> int:
    """Runs this program again in namespaces of its own, of which it is the first process: all others end with it."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    apart = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    again = [sys.executable, "-m", "lab.supply.image", *sys.argv[1:], "--inside", str(folder)]
    process = subprocess.Popen([*apart, "--", *again])
    try:
        return process.wait()
    except (KeyboardInterrupt, SystemExit) as error:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        end(process)
        return error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 130


def end(process: subprocess.Popen[bytes]) -> None:
    """Asks the program inside to end, and insists after a while. unshare itself passes no signal on."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for child in children.read_text().split() if children.exists() else []:
        os.kill(int(child), signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
