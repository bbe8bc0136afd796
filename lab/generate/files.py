"""Generated files as they are and as they should be, by their paths below a folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path


def stale(fresh: Mapping[str, bytes], stored: Mapping[str, bytes]) -> list[str]:
    """The paths whose contents are missing, different, or not generated any more."""
    return sorted(path for path in fresh.keys() | stored.keys() if fresh.get(path) != stored.get(path))


def renew(folder: Path, paths: Iterable[str], fresh: Mapping[str, bytes]) -> None:
    """Writes these files, and removes those that are not generated any more."""
    for name in paths:
        path = folder / name
        path.unlink(missing_ok=True)
        if name in fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fresh[name])
