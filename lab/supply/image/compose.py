"""What compose.yaml says of a service: its command, its settings and its bounds."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from lab.supply.image.dockerfile import command_of

VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<mark>[?-])(?P<word>[^}]*))?\})")


class Missing(Exception):
    """A variable without which Compose starts nothing."""


def services_of(text: str) -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return services


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with `${NAME}`, `${NAME:-default}`, `${NAME:?words}` and `$$` replaced. Raises Missing."""

    def fill(found: re.Match[str]) -> str:
        name, mark, word = found["name"], found["mark"], found["word"]
        if name is None:
            return "$"
        value = values.get(name, "")
        if not value and mark == "?":
            raise Missing(f"{name}: {word}")
        return value or (word if mark == "-" else "")

    return VARIABLE.sub(fill, text)


def settings_of(service: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service. A name without a value is set only where it is given. Raises Missing."""
    said: Mapping[str, str | None] = service["environment"]
    passed_on = {name: values[name] for name, value in said.items() if value is None and name in values}
    return passed_on | {name: filled(str(value), values) for name, value in said.items() if value is not None}


def words_of(service: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """The command of a service; no shell but its own reads it."""
    return shlex.split(filled(service["command"], values))


def health_words_of(service: Mapping[str, Any]) -> list[str] | None:
    """How a service is looked at; None where the image says it."""
    test: list[str] | None = service.get("healthcheck", {}).get("test")
    return None if test is None else test[1:] if test[0] == "CMD" else command_of(test[1])


def sizes_of(service: Mapping[str, Any]) -> dict[str, str]:
    """Folder in memory -> its size."""
    return dict(mount.split(":size=") for mount in service["tmpfs"])


def bytes_of(size: str) -> int:
    """`512m` and `1g` as bytes."""
    return int(size[:-1]) << {"k": 10, "m": 20, "g": 30}[size[-1]]
