"""What the split form costs those who do not use it: nothing, not even its files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.kit.processes.shop import ROOT

pytestmark = pytest.mark.once

OF_THE_SPLIT_FORM = ("orders/flows/direct.py", "orders/flows/half_message.py", "orders/remote.py")
PLACE_PAY_CLOSE = """
from datetime import timedelta
from django.utils import timezone
from charites.audit import run_audit
from lab.kit.factories import make_command, make_paid_order
from orders.models import Order
from orders.services import close_due, place_order
now = timezone.now()
make_paid_order({1: 2}, now=now, room_id=1)
place_order(command=make_command({1: 1}), now=now)
assert close_due(now=now + timedelta(days=1)) == 1
assert sorted(Order.objects.values_list("status", flat=True)) == [200, 300]
assert not [result for result in run_audit(now=now) if result.total]
import sys
print(sorted(name for name in sys.modules if name.startswith("orders.") and ("remote" in name or "flows." in name)))
"""


def run(folder: Path, *words: str) -> str:
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}",
        "DEMO": "true",
    }
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
@pytest.mark.slow
def test_the_one_process_form_works_without_the_files_of_the_split_form(tmp_path: Path) -> None:
    folder = tmp_path / "charites"
    skipped = shutil.ignore_patterns(".*", "var", "__pycache__", "drawings", "docs")
    shutil.copytree(ROOT, folder, ignore=skipped)
    for name in OF_THE_SPLIT_FORM:
        (folder / name).unlink()

    run(folder, "migrate", "--verbosity", "0")
    run(folder, "seed")
    loaded = run(folder, "shell", "--verbosity", "0", "--command", PLACE_PAY_CLOSE)
    swept = run(folder, "sweep", "--once")

    assert loaded.strip().endswith("['orders.flows.local']")
    assert swept == "close: 0, call: 0, check: 0, webhooks: 0, tidy: 0\n"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"APPS": "orders"}, "APPS=orders leaves goods to another service: say where it is with GOODS_ENDPOINT="),
        ({"APPS": "goods,orders"}, "APPS=goods,orders leaves stock to another service"),
        ({"APPS": "orderz"}, "APPS must be one or more of: goods, stock, orders, not 'orderz'."),
        ({"APPS": ""}, "APPS must be one or more of: goods, stock, orders, not ''."),
        ({"ORDER_FLOW": "half_message"}, "ORDER_FLOW='half_message' is not possible with APPS=goods,stock,orders."),
        (
            {"APPS": "orders", "GOODS_ENDPOINT": "a:1", "STOCK_ENDPOINT": "b:1", "ORDER_FLOW": "direct", "DEMO": "0"},
            "`direct` leaks stock on purpose, so it needs DEMO.",
        ),
    ],
)
def test_an_impossible_split_is_refused_at_the_start(changes: dict[str, str], told: str) -> None:
    environment = {**os.environ, **changes}
    command = [sys.executable, str(ROOT / "manage.py"), "check"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)

    assert done.returncode == 1
    assert told in done.stderr
