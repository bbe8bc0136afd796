"""A process that sets wake-ups with the settings of its environment: `python -m lab.kit.processes.wakeup_setter`.

For each line, a number of seconds, it sends the countdown for that time, and prints one line of JSON: the error's name
or null, and how many files and connections the process has open.
"""

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
django.setup()

from messaging.wakeups import SLOT_SECONDS, publish  # noqa: E402 (after setup)
from orders.services import TIMEOUT_TASK  # noqa: E402


def set_wake_up(seconds: float) -> str | None:
    """Returns the name of the error, if there was one."""
    try:
        publish(TIMEOUT_TASK, int(time.time() + seconds) // SLOT_SECONDS)
    except Exception as error:  # noqa: BLE001 (any is an answer)
        return type(error).__name__
    return None


for line in sys.stdin:
    error = set_wake_up(float(line))
    answer = {"error": error, "open": len(os.listdir("/proc/self/fd"))}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
