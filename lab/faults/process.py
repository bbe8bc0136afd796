"""A process of the demo: `python -m lab.faults.process COMMAND...`, where COMMAND is one of manage.py.

Two things are added to the command: the process ends with its parent; and told to park at a step, on its standard
input, the next order that gets there says so on the standard output and goes no further, until the process is killed.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402 (after setup)

from orders.flows import half_message  # noqa: E402
from orders.flows.half_message import OrdersOnly  # noqa: E402

armed: list[str] = []


def say(**words: str) -> None:
    """Tells the parent."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


class Speaker:
    """A command's output, for the parent to hear."""

    def write(self, text: str) -> None:
        say(said=text.strip())

    def flush(self) -> None:
        pass


def parks_after(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function, which once `step` is armed does its work and then never returns."""

    def parking(*arguments: Any) -> Any:
        result = function(*arguments)
        if step in armed:
            say(parked=step)
            threading.Event().wait()
        return result

    return parking


def listen() -> None:
    """Arms the step that the parent names; ends with the parent."""
    for line in sys.stdin:
        armed.append(json.loads(line)["park"])
        say(armed=armed[-1])
    os._exit(1)


def main(*words: str) -> None:
    half_message.reserve = parks_after("after_reserve", half_message.reserve)
    OrdersOnly.work = parks_after("before_commit", OrdersOnly.work)  # type: ignore[method-assign]
    half_message.write_orders = parks_after("after_commit", half_message.write_orders)
    threading.Thread(target=listen, daemon=True).start()
    call_command(*words, stdout=Speaker())


if __name__ == "__main__":
    main(*sys.argv[1:])
