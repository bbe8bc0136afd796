"""The environments of `make run` and `make run-split`: made from what is set, written to files for other terminals."""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from dotenv import dotenv_values

from lab.servers import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var"
# A generated secret stays what it is, or every token and session would end with the run.
SECRETS = ("SECRET_KEY", "PAYMENT_SECRET")
# The split form: service -> its HTTP port and its gRPC port.
PORTS = {"orders": ("8000", "8081"), "goods": ("8001", "8090"), "stock": ("8002", "8092")}
# What each service is given by somebody's choice, as in ORDERS_HTTP_PORT, and what only the services themselves know.
GIVEN = ("HTTP_PORT", "GRPC_PORT", "DATABASE_URL")
OWN = ("APPS", "GOODS_ENDPOINT", "STOCK_ENDPOINT", "CELERY_QUEUE", "METRICS_DIR", "NODE_FIRST", "NODE_LAST")


class NotForServices(Exception):
    """A setting was chosen for all services that each has for itself; one sentence."""


def setting_names() -> set[str]:
    """Returns every name that settings.py reads from the environment."""
    text = (ROOT / "charites" / "settings.py").read_text()
    return set(re.findall(r"""(?:env\.\w+|secrets?)\(\s*"([A-Z][A-Z0-9_]+)\"""", text)) - {"ENV_FILE"}


def read_file(path: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}


def chosen(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings that somebody chose: in `.env`, or, which wins, in the real environment."""
    names = setting_names()
    return {name: value for name, value in both(environ).items() if name in names}


def both(environ: Mapping[str, str]) -> dict[str, str]:
    return read_file(ROOT / ".env") | dict(environ)


def demo_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings of `make run`: what was chosen, and the demo's values for the rest.

    Without a REDIS_URL of somebody's choice, the address is one where nobody listens yet: the embedded server's.
    """
    choice = chosen(environ)
    one = {
        "HTTP_PORT": "8000",
        "GRPC_PORT": "8081",
        "DATABASE_URL": sqlite_url(VAR / "charites.sqlite3"),
        "METRICS_DIR": str(VAR / "metrics"),
    }
    return shared_values(choice, kept=read_file(VAR / "env")) | one | choice


def split_environments(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Returns the settings of `make run-split`, service -> settings; they share secrets and Redis and nothing else.

    What was chosen goes to all of them, except that ports and databases are chosen for one, as in ORDERS_HTTP_PORT.
    What `.env` says of the one-process shop's ports and database is not meant for them. Raises NotForServices.
    """
    for name in (*GIVEN, *OWN):
        if name in environ:
            remedy = f"choose it for one, as in ORDERS_{name}" if name in GIVEN else "leave it out"
            raise NotForServices(f"Each service has its own {name}: {remedy}.")
    choice = {name: value for name, value in chosen(environ).items() if name not in (*GIVEN, *OWN)}
    folder, given = VAR / "split", both(environ)
    shared = shared_values(choice, kept=read_file(folder / "orders.env")) | choice
    services = {}
    for service, (http_port, grpc_port) in PORTS.items():
        own = {
            "HTTP_PORT": http_port,
            "GRPC_PORT": grpc_port,
            "DATABASE_URL": sqlite_url(folder / f"{service}.sqlite3"),
        }
        own |= {name: given[f"{service.upper()}_{name}"] for name in GIVEN if f"{service.upper()}_{name}" in given}
        services[service] = (
            shared
            | own
            | {
                "APPS": service,
                "CELERY_QUEUE": f"charites-{service}",
                "METRICS_DIR": str(folder / "metrics" / service),
            }
        )
    for service in ("goods", "stock"):
        services["orders"][f"{service.upper()}_ENDPOINT"] = address(services[service], "GRPC")
    return services


def shared_values(choice: Mapping[str, str], *, kept: Mapping[str, str]) -> dict[str, str]:
    """Returns the demo's values that every process has. `kept`: the environment of the last run, for its secrets."""
    redis = f"redis://:{secrets.token_urlsafe(24)}@{LOOPBACK}:{free_port()}"
    return {
        "DEBUG": "true",
        "DEMO": "true",
        "HTTP_HOST": LOOPBACK,
        "GRPC_HOST": LOOPBACK,
        "REDIS_URL": f"{redis}/0",
        # A database of its own, so that a flushed cache does not empty the broker.
        "CELERY_BROKER_URL": choice.get("REDIS_URL", f"{redis}/1"),
        "ORDER_PAY_TIMEOUT_SECONDS": "60",
        **{name: kept.get(name) or secrets.token_urlsafe(48) for name in SECRETS},
    }


def sqlite_url(file: Path) -> str:
    return f"sqlite:///{quote(str(file))}"


def address(values: Mapping[str, str], kind: str) -> str:
    """Returns host:port of a server (HTTP, GRPC) as this machine reaches it."""
    host = LOOPBACK if values[f"{kind}_HOST"] in ("0.0.0.0", "::") else values[f"{kind}_HOST"]
    return f"{host}:{values[f'{kind}_PORT']}"


def write(values: Mapping[str, str], file: Path) -> None:
    """Writes an environment, readable for its owner only, in one step: other terminals never see half of it."""
    lines = ["# Written at the start, for the commands of this checkout.\n"]
    lines += [f"{name}={quoted(value)}\n" for name, value in sorted(values.items())]
    draft = file.with_name(f"{file.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
        written.writelines(lines)
    draft.replace(file)


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
