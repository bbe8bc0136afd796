"""A copy of the checkout, to write into: nothing that is done there reaches the checkout itself."""

import shutil
import subprocess
from pathlib import Path

from lab.links import ROOT

# The checkout of a CI may belong to another user, which git otherwise refuses.
LISTED = ("git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
MADE_HERE = shutil.ignore_patterns(".git", ".venv", ".env", "var", "__pycache__", ".*_cache")


def copy_checkout(folder: Path, root: Path = ROOT) -> None:
    """Copies what git knows and what is new; without git, all but what is made on each machine."""
    names = known(root)
    if not names:
        shutil.copytree(root, folder, ignore=MADE_HERE, dirs_exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, folder / name)


def known(root: Path) -> list[str]:
    """Returns the files that git has or would take, by their path from the top; none where git cannot tell."""
    if not shutil.which("git"):
        return []
    listed = subprocess.run(LISTED, cwd=root, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if (root / name).is_file()]
