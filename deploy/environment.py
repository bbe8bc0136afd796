"""The environment of `make run`: made from what is set, written to var/env for commands in other terminals."""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from dotenv import dotenv_values

from deploy.servers import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
ENV_FILE = VAR / "env"
# A generated secret stays what it is, or every token and session would end with the run.
SECRETS = ("SECRET_KEY", "PAYMENT_SECRET")


def setting_names() -> set[str]:
    """Returns every name that settings.py reads from the environment."""
    text = (ROOT / "charites" / "settings.py").read_text()
    return set(re.findall(r"""(?:env\.\w+|secret)\(\s*"([A-Z][A-Z0-9_]+)\"""", text)) - {"ENV_FILE"}


def read_file(path: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}


def chosen(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings that somebody chose: in `.env`, or, which wins, in the real environment."""
    names = setting_names()
    both = read_file(ROOT / ".env") | dict(environ)
    return {name: value for name, value in both.items() if name in names}


def demo_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings of this run: what was chosen, and the demo's values for the rest.

    Without a REDIS_URL of somebody's choice, the address is one where nobody listens yet: the embedded server's.
    """
    choice = chosen(environ)
    kept = read_file(ENV_FILE)
    port = free_port()
    demo = {
        "DEBUG": "true",
        "DEMO": "true",
        "HTTP_HOST": LOOPBACK,
        "HTTP_PORT": "8000",
        "GRPC_HOST": LOOPBACK,
        "GRPC_PORT": "8081",
        "DATABASE_URL": f"sqlite:///{quote(str(VAR / 'charites.sqlite3'))}",
        "REDIS_URL": f"redis://{LOOPBACK}:{port}/0",
        # A database of its own, so that a flushed cache does not empty the broker.
        "CELERY_BROKER_URL": choice.get("REDIS_URL", f"redis://{LOOPBACK}:{port}/1"),
        "ORDER_PAY_TIMEOUT_SECONDS": "60",
        "METRICS_DIR": str(VAR / "metrics"),
    }
    demo |= {name: kept.get(name) or secrets.token_urlsafe(48) for name in SECRETS}
    return demo | choice


def write(values: Mapping[str, str]) -> None:
    """Writes var/env, readable for its owner only, in one step: other terminals never see half of it."""
    lines = ["# Written by `make run` for the commands of this checkout; the real environment and .env win.\n"]
    lines += [f"{name}={quoted(value)}\n" for name, value in sorted(values.items())]
    draft = ENV_FILE.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(lines)
    draft.replace(ENV_FILE)


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
