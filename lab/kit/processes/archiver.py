"""A run of `manage.py archive` that a test kills: `python -m lab.kit.processes.archiver <options as JSON>`.

It archives what is old at `now` into `folder`, `step` orders a transaction, stands still at the statement number `skip`
(COMMIT is one) after the locks of its first orders, says "standing" and waits to be killed; or it says "done".
"""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.kit.processes.sweeper import Standstill, say  # sets Django up

from django.db.backends.signals import connection_created  # isort: skip
from orders.services import archive_old, archiving  # isort: skip

LOCKED = "FROM shopping_order WHERE .* FOR UPDATE"


def main(wanted: dict[str, Any]) -> None:
    archiving.STEP = wanted["step"]
    connection_created.connect(Standstill(armed_by=LOCKED, stop_at="", skip=wanted["skip"]).watch, weak=False)
    now = datetime.fromisoformat(wanted["now"])
    for _step in archive_old(folder=Path(wanted["folder"]), placed_before=now, now=now):
        pass
    say("done")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
