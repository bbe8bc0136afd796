"""`make run-split` itself, in a copy of the checkout: the real processes on free ports."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab.kit.processes.shop import wait_until
from lab.run import leftovers
from lab.servers import LOOPBACK
from lab.tests.runs import START_SECONDS, Run, SplitRun

pytestmark = [pytest.mark.slow, pytest.mark.sqlite]

SERVICES = ("orders", "goods", "stock")
ORDER = '{"GoodsId": 5, "Num": 2, "UserId": 1, "Address": "1 Harbour Road", "Name": "Li Lei", "Phone": "13800000000"}'


def manage(checkout: Path, service: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as another terminal would: the file of the service says everything."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    command = [sys.executable, "manage.py", *words]
    environment = kept | {"ENV_FILE": f"var/split/{service}.env"}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_run_split_serves_three_services_and_starts_again_a_process_of_one(copied_checkout):
    # What .env says of the whole shop is not meant for the services.
    (copied_checkout / ".env").write_text("HTTP_PORT=1\nDATABASE_URL=sqlite:////nowhere/at/all.sqlite3\n")
    run = SplitRun(copied_checkout)
    run.await_welcome()

    ready = [run.get("statusz", f"{name.upper()}_HTTP_PORT")["status"] for name in SERVICES]
    databases = [f"--with={name}=sqlite:///var/split/{name}.sqlite3" for name in ("goods", "stock")]
    audit = manage(copied_checkout, "orders", "audit", *databases)
    placed = manage(copied_checkout, "orders", "call", "Order.CreateOrder", ORDER)
    stock = manage(copied_checkout, "stock", "call", "Stock.GetStock", '{"GoodsId": 5}')
    beside, second = Run(copied_checkout, HTTP_PORT=run.ports["ORDERS_HTTP_PORT"]), SplitRun(copied_checkout)
    pids = run.pids()
    kinds = {f"{name}-{kind}" for name in SERVICES for kind in ("web", "grpc", "worker", "sweep")}
    codes = [beside.process.wait(START_SECONDS), second.process.wait(START_SECONDS)]
    assert run.process.poll() is None
    os.kill(pids["goods-sweep"], signal.SIGKILL)
    wait_until(
        lambda: run.pids().get("goods-sweep", pids["goods-sweep"]) != pids["goods-sweep"],
        seconds=START_SECONDS,
        what="the sweep of goods runs again",
    )
    codes.append(run.end())

    assert ready == ["ready"] * 3
    assert (audit.returncode, "orders + stock" in audit.stdout) == (0, True), audit.stderr
    assert f"manage.py audit {' '.join(databases).replace('--with=', '--with ')}" in run.out.read_text()
    assert (placed.returncode, stock.returncode) == (0, 0), placed.stderr + stock.stderr
    assert json.loads(placed.stdout)["Items"][0]["Num"] == "2"
    assert json.loads(stock.stdout)["Num"] == "498"
    assert set(pids) == {"supervisor", "redis", *kinds}
    assert codes == [1, 1, 0]
    assert "the HTTP port, cannot be had" in beside.out.read_text()
    assert f"This checkout is running already (pid {pids['supervisor']})" in second.out.read_text()
    assert "charites: goods-sweep ended with code -9; it is started again in 0.5 s.\n" in run.out.read_text()
    assert [name for name, pid in pids.items() if leftovers.started_at(pid)] == []


def test_run_split_on_a_taken_port_says_which_and_how_to_choose_another(copied_checkout):
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]

        run = SplitRun(copied_checkout, GOODS_GRPC_PORT=str(port))

        assert run.process.wait(START_SECONDS) == 1
    assert run.out.read_text() == (
        f"charites: Port {port} on {LOOPBACK}, the GRPC port of goods, cannot be had (Address already in use): "
        "choose others with make run-split GOODS_HTTP_PORT=8010 GOODS_GRPC_PORT=8091\n"
    )


def test_run_split_with_one_port_for_two_servers_says_so(copied_checkout):
    run = SplitRun(copied_checkout, GOODS_HTTP_PORT="18123", STOCK_GRPC_PORT="18123")

    assert run.process.wait(START_SECONDS) == 1
    assert run.out.read_text() == "charites: STOCK_GRPC_PORT=18123 is another server's port as well.\n"


def test_run_split_with_a_setting_that_cannot_be_for_all_says_so(copied_checkout):
    run = SplitRun(copied_checkout, HTTP_PORT="8010")

    assert run.process.wait(START_SECONDS) == 1
    assert run.out.read_text() == (
        "charites: Each service has its own HTTP_PORT: choose it for one, as in ORDERS_HTTP_PORT.\n"
    )


def test_command_with_the_file_of_a_shop_that_is_not_there_says_so(copied_checkout):
    missing = manage(copied_checkout, "walrus", "audit")

    assert missing.returncode != 0
    assert "ENV_FILE names var/split/walrus.env, and there is no such file." in missing.stderr
