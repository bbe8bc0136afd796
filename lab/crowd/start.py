"""Begins a run: a program of its own buys, so that a web process neither waits for it nor is held up by it."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

from lab.crowd import runs
from lab.crowd.runs import Run
from stock.services import Adjustment, adjust_stock

ROOT = Path(__file__).resolve().parents[2]
ACTOR = "crowd"
COUNTING = ("METRICS_DIR", "PROMETHEUS_MULTIPROC_DIR")


def start_run(*, room_id: int, goods_id: int, buyers: int, quantity: int, stock: int | None = None) -> Run:
    """Sends a crowd to buy; returns at once. `stock`: pieces that are made available first, more or fewer. Raises
    RunUnderWay, OSError, and what adjusting stock raises."""
    run = Run(room_id, goods_id, buyers, quantity, key=f"crowd:{uuid4().hex}", stock=stock)
    with runs.alone() as lock:
        if stock is not None:
            adjust_stock(adjustments=[Adjustment(goods_id, "for a crowd", ACTOR, target=stock)])
        file = runs.next_file()
        runs.write(run, file)
        try:
            start_program(file, lock.fileno())
        except OSError:
            file.unlink()
            raise
    return run


def start_program(file: Path, lock: int) -> subprocess.Popen[bytes]:
    """It has the lock from here on. Somebody waits for its end, or it would never be quite gone."""
    with file.with_name("log").open("wb") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", "lab.crowd.buyers", str(file), str(lock)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,
        )
    threading.Thread(target=program.wait, name="crowd", daemon=True).start()
    return program


def environment() -> dict[str, str]:
    """That of this process, but the program counts nothing that anybody looks at, and leaves no files of it."""
    kept = {name: value for name, value in os.environ.items() if name not in COUNTING}
    return kept | {"METRICS_DIR": ""}
