"""Adds to requirements.lock what only older Pythons than this one need: `python -m lab.supply.older_pythons`.

pip-compile leaves out what the Python that runs it does without. Debian 12 has 3.11.2, for which Redis' client asks for
a package more, and where all goes by hash, one that is not in the file is refused.
"""

import re
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ONLY_OLDER = re.compile(r"^(?P<pin>[\w.-]+==[\w.]+); (?P<marker>python_full_version < \S+)$", re.MULTILINE)


def hash_of(pin: str) -> str:
    """The hash of its wheel. Raises CalledProcessError where pip cannot fetch it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", folder, pin], check=True)
        (wheel,) = Path(folder).iterdir()
        return sha256(wheel.read_bytes()).hexdigest()


def main() -> None:
    lock = ROOT / "requirements.lock"
    text = lock.read_text()
    for pin, marker in ONLY_OLDER.findall((ROOT / "requirements-embedded.txt").read_text()):
        if f"\n{pin}" not in text:
            text += f"{pin} ; {marker} \\\n    --hash=sha256:{hash_of(pin)}\n"
    lock.write_text(text)


if __name__ == "__main__":
    main()
