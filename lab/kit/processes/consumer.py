"""A consumer that a test kills: `python -m lab.kit.processes.consumer`.

It takes what comes over the broker for the services of APPS as the sweep does. Once the first question has taken effect
it says "standing", and neither answers nor acknowledges: it waits to be killed.
"""

import os
import sys
import threading

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
django.setup()

from charites.common import clock  # noqa: E402 (after setup)
from messaging.broker import receiving  # noqa: E402

carry_out = receiving.carry_out


def carry_out_and_stand(asked: receiving.Asked) -> receiving.Status:
    carry_out(asked)
    sys.stdout.write("standing\n")
    sys.stdout.flush()
    threading.Event().wait()
    raise AssertionError("nobody sets it")


if __name__ == "__main__":
    receiving.carry_out = carry_out_and_stand
    receiver = receiving.Receiver()
    while True:
        receiver.round(now=clock.now())
