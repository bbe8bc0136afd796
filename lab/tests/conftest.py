import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.run import leftovers
from lab.tests.runs import Run, SplitRun

ROOT = Path(__file__).resolve().parents[2]
NEEDED = (
    "charites",
    "goods",
    "stock",
    "orders",
    "messaging",
    "live",
    "fixtures",
    "lab",
    "deploy",
    "manage.py",
    "Procfile",
)


@pytest.fixture
def copied_checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of the project without its var/."""
    # A space in the path is as good a test of quoting as any.
    folder = tmp_path / "a shop"
    folder.mkdir()
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    yield folder
    for files in (Run.files, SplitRun.files):
        leftovers.end(leftovers.find(folder / files / "run.pid"))
