"""What .dockerignore keeps out of the image, as ours says it: `**/` at any depth, the others from the root on."""

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path


def ignored(root: Path) -> Callable[[str, list[str]], list[str]]:
    """Returns what `shutil.copytree` asks: which of these names, in this folder of the checkout, are left out."""
    lines = [line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    anywhere = [line.removeprefix("**/") for line in lines if line.startswith("**/")]

    def left_out(folder: str, names: list[str]) -> list[str]:
        paths = {name: str((Path(folder) / name).relative_to(root)) for name in names}
        return [
            name
            for name, path in paths.items()
            if any(fnmatch(name, pattern) for pattern in anywhere)
            or any(path.count("/") == line.count("/") and fnmatch(path, line) for line in lines)
        ]

    return left_out
