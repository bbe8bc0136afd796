"""A process whose connection to MariaDB is cut exactly at COMMIT, by a proxy that loses the reply."""

import json
import re
import subprocess
import sys

import pytest

from lab.kit.factories import counts, make_stock
from lab.kit.participants import stored_notes
from lab.kit.proxy import LossyProxy
from stock.tests.conftest import SAFE

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("name", SAFE)
@pytest.mark.parametrize("carried_out", [True, False])
def test_order_whose_commit_reply_is_lost_is_told_the_truth_and_taken_once(process_environment, name, carried_out):
    make_stock(1, 5)
    host, port = re.search(r"@([^:/]+):(\d+)/", process_environment["DATABASE_URL"]).groups()
    orders = [{"order_id": 10, "quantities": {1: 2}, "key": "10"}]

    with LossyProxy((host, int(port)), after=b"UPDATE shopping_stock ", carried_out=carried_out) as proxy:
        address = process_environment["DATABASE_URL"].replace(f":{port}/", f":{proxy.port}/")
        done = subprocess.run(
            [sys.executable, "-m", "lab.kit.processes.worker", json.dumps({"strategy": name, "threads": [orders]})],
            env={**process_environment, "DATABASE_URL": address},
            input="go\n",
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )

    # Without effect means busy, and the worker asks again.
    assert json.loads(done.stdout.splitlines()[-1])["answers"] == {"10": "ok"}
    assert proxy.lost == 1
    assert counts(1) == (3, 2, 0)
    assert stored_notes() == ["10"]
