"""What apt and pip of this machine are told about their sources, for those inside a root. None of it stays in there."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.supply.image.roots import mounted

HERE = "/.outside"
SETTING = re.compile(r"^(?:global|:env:)\.([\w-]+)=(.*)$", re.MULTILINE)
PROXIES = {"http_proxy", "https_proxy", "no_proxy"}


def pip_settings() -> dict[str, str]:
    """Name -> value, the environment's before those of files, as pip itself has it."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return pip_variables(said)


def pip_variables(said: str) -> dict[str, str]:
    """What `pip config list` says, as the variables that say the same. Those of single commands have none."""
    lines = sorted(SETTING.finditer(said), key=lambda found: found[0].startswith(":env:"))
    pairs = [found.groups() for found in lines]
    return {f"PIP_{name.replace('-', '_').upper()}": str(ast.literal_eval(value)) for name, value in pairs}


def apt_settings() -> str:
    """How apt of this machine fetches; empty where it has no apt."""
    try:
        said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return "".join(f"{line}\n" for line in said.splitlines() if line.startswith("Acquire::"))


@contextmanager
def visible(root: Path) -> Iterator[dict[str, str]]:
    """Shows it in a root while the block lasts; yields the variables that name it there."""
    with ExitStack() as ends:
        place = root / HERE.lstrip("/")
        ends.enter_context(mounted("-t", "tmpfs", "-o", "mode=755", "tmpfs", at=place))
        (place / "apt.conf").write_text(apt_settings())
        variables = {name: value for name, value in os.environ.items() if name.lower() in PROXIES}
        variables["APT_CONFIG"] = f"{HERE}/apt.conf"
        for name, value in pip_settings().items():
            variables[name] = f"{HERE}/{name}" if (path := Path(value)).is_absolute() and path.exists() else value
            if variables[name] != value and path.is_dir():
                ends.enter_context(mounted("--bind", path, at=place / name))
            elif variables[name] != value:
                (place / name).write_bytes(path.read_bytes())
        yield variables
