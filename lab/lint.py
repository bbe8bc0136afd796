"""Every check that reads instead of running: `python -m lab.lint [name...]`, all of them without a name.

Each one runs even after another failed, so that one run shows everything; the exit code says whether all passed.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
MANAGE = [PYTHON, "manage.py"]
CHECKS = {
    "ruff": [PYTHON, "-m", "ruff", "check", "."],
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "types": [PYTHON, "-m", "mypy"],
    "imports": [str(Path(PYTHON).parent / "lint-imports")],
    "migrations": [*MANAGE, "makemigrations", "--check", "--dry-run"],
    "deploy": [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"],
    "generated": [PYTHON, "-m", "lab.generate.grpc_code", "--check"],
    "client": [PYTHON, "-m", "lab.generate.python_client", "--check"],
    "translations": [PYTHON, "-m", "lab.generate.translations", "--check"],
    "settings": [PYTHON, "-m", "lab.generate.document_settings", "--check"],
    "security": [PYTHON, "-m", "lab.generate.security_page", "--check"],
    "links": [PYTHON, "-m", "lab.links"],
    "tables": [PYTHON, "-m", "lab.generate.table_diagram", "--check"],
}


def environment(folder: str) -> dict[str, str]:
    """Returns settings as production has them, so that the checks see what production would."""
    production = {
        "ENV_FILE": "",
        "DEBUG": "false",
        "DEMO": "false",
        "SECRET_KEY": "kept-out-of-the-repository-in-production-0123456789-ABCDEFGHIJ",
        "PAYMENT_SECRET": "kept-out-of-the-repository-in-production-9876543210-ABCDEFGHIJ",
        "ALLOWED_HOSTS": "shop.example",
        "HSTS_SUBDOMAINS": "true",
        "HSTS_PRELOAD": "true",
        "DATABASE_URL": f"sqlite:///{folder}/database.sqlite3",
        "METRICS_DIR": f"{folder}/metrics",
        "STATIC_ROOT": folder,
    }
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
    return kept | production


def passes(name: str, settings: dict[str, str]) -> bool:
    done = subprocess.run(CHECKS[name], cwd=ROOT, env=settings, capture_output=True, text=True)
    print(f"{name:<14}{'FAILED' if done.returncode else 'ok'}", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def main(names: list[str]) -> int:
    if unknown := set(names) - set(CHECKS):
        sys.exit(f"No such check: {', '.join(unknown)}. There are: {', '.join(CHECKS)}.")
    with tempfile.TemporaryDirectory() as folder:
        settings = environment(folder)
        results = [passes(name, settings) for name in names or CHECKS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
