"""A folder that ends with its process; that of a process which was killed is removed by the next."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

OWNER = "owner"  # a file in the folder, locked as long as the process lives that it belongs to


@contextmanager
def own_folder(prefix: str) -> Iterator[Path]:
    """Gives a temporary folder to this process alone. Of processes that were killed, those with the same prefix go."""
    remove_leftovers(prefix)
    with ExitStack() as ends:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        # The name comes after the lock, so that nobody finds the one without the other.
        unnamed = folder / f".{OWNER}"
        lock(ends.enter_context(unnamed.open("w")))
        unnamed.rename(folder / OWNER)
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def remove_leftovers(prefix: str) -> None:
    """Removes our user's folders with this prefix that belong to no living process."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):  # somebody's, gone by now, or in use
            if folder.lstat().st_uid == os.geteuid():
                with (folder / OWNER).open("r+") as owner:
                    lock(owner)
                    shutil.rmtree(folder, ignore_errors=True)


def lock(file: IO[str]) -> None:
    """Takes a file until it is closed. Raises BlockingIOError when a process has it."""
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(file: IO[str]) -> bool:
    """Whether a process has it. Those who only look do not keep one another off."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
