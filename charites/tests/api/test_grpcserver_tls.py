"""TLS between services, with real certificates, on both transports."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from charites.common.auth import Role
from charites.common.rpc import Client, read_error
from charites.common.rpc.tls import Tls
from charites.tests.api.processes import start
from lab.kit.certificates import Authority, Certificate
from lab.kit.factories import bearer, counts, make_stock
from lab.kit.processes.shop import Shop
from orders import remote
from stock.rpc.stock_pb2 import StockLevel
from stock.rpc.stock_pb2_grpc import StockStub

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 20.0  # a bound for a handshake on a busy machine


class Sides:
    """Two authorities, and a server with a certificate of the first."""

    def __init__(self, folder: Path, shop: Shop) -> None:
        self.ours, self.theirs = Authority(folder, "ours"), Authority(folder, "theirs")
        self.shop, self.server = shop, self.ours.certificate()
        shop.given |= {"GRPC_TLS_CERT": str(self.server.cert), "GRPC_TLS_KEY": str(self.server.key)}

    def ask(self, authority: Path | None, own: Certificate | None = None) -> str:
        """Reads stock as a caller who checks the server against an authority; "served", or the status."""
        cert, key = own or (None, None)
        tls = Tls.read(authority, cert, key)
        credentials = tls.of_client() if tls else None
        token = bearer(0, Role.SERVICE)
        address = f"localhost:{self.shop.grpc_port}"
        with Client(address, token=token, timeout_seconds=SECONDS, tries=1, credentials=credentials) as client:
            try:
                client.stub(StockStub).GetStock(StockLevel(goods_id=1))
            except grpc.RpcError as error:
                return f"{read_error(error)}" if read_error(error) else str(error.code().name)
        return "served"


@pytest.fixture
def sides(shop: Shop, tmp_path: Path) -> Sides:
    make_stock(1, 10)
    shop.fix_ports()
    return Sides(tmp_path, shop)


def test_only_who_shows_a_certificate_of_the_authority_gets_in(sides: Sides) -> None:
    sides.shop.given["GRPC_TLS_CLIENT_CA"] = str(sides.ours.cert)
    start(sides.shop, "grpc")
    mine, foreign = sides.ours.certificate("orders"), sides.theirs.certificate("orders")

    answers = [
        sides.ask(sides.ours.cert, mine),
        sides.ask(sides.ours.cert),
        sides.ask(sides.ours.cert, foreign),
        sides.ask(None),
        sides.ask(sides.theirs.cert, mine),
    ]

    assert answers == ["served", *["UNAVAILABLE"] * 4]


def test_server_without_an_authority_takes_any_caller_but_none_in_clear_text(sides: Sides) -> None:
    start(sides.shop, "grpc")

    answers = [sides.ask(sides.ours.cert), sides.ask(sides.theirs.cert), sides.ask(None)]

    assert answers == ["served", "UNAVAILABLE", "UNAVAILABLE"]


@pytest.mark.long
def test_order_service_reserves_over_mutual_tls(sides: Sides, settings: Any) -> None:
    sides.shop.given["GRPC_TLS_CLIENT_CA"] = str(sides.ours.cert)
    start(sides.shop, "grpc")
    mine, foreign = sides.ours.certificate("orders"), sides.theirs.certificate("orders")
    settings.STOCK_ENDPOINT, settings.REMOTE_TIMEOUT_SECONDS = f"dns:///localhost:{sides.shop.grpc_port}", SECONDS
    settings.REMOTE_TLS_CA = str(sides.ours.cert)
    reserved = []

    for order_id, own in ((77, foreign), (78, mine)):
        settings.REMOTE_TLS_CERT, settings.REMOTE_TLS_KEY = map(str, own)
        remote.client.cache_clear()
        reserved.append(remote.reserve_stock({order_id: {1: 2}})[order_id])
    remote.client.cache_clear()

    assert isinstance(reserved[0], remote.Unanswered)
    assert reserved[1] is None
    assert counts(1) == (8, 2, 0)


@pytest.mark.long
def test_sample_client_shows_a_certificate(sides: Sides) -> None:
    sides.shop.given["GRPC_TLS_CLIENT_CA"] = str(sides.ours.cert)
    start(sides.shop, "grpc")
    mine = sides.ours.certificate("operator")
    words = ["Stock.GetStock", '{"GoodsId": 1}', "--token", bearer(), "--address", f"localhost:{sides.shop.grpc_port}"]

    shown = sides.shop.manage(
        "call", *words, "--tls-ca", str(sides.ours.cert), "--tls-cert", str(mine.cert), "--tls-key", str(mine.key)
    )

    assert '"Num": "10"' in shown.stdout, shown.stderr


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"REMOTE_TLS_CA": "/nowhere/ca.pem"}, "Cannot read /nowhere/ca.pem"),
        ({"REMOTE_TLS_CA": __file__, "REMOTE_TLS_CERT": __file__}, "TLS takes both"),
        ({"REMOTE_TLS_CERT": __file__, "REMOTE_TLS_KEY": __file__}, "needs REMOTE_TLS_CA"),
    ],
)
def test_order_service_with_unusable_files_does_not_start(given: dict[str, str], expected: str) -> None:
    command = [sys.executable, "manage.py", "check"]
    split = {"APPS": "orders", "GOODS_ENDPOINT": "dns:///goods:1", "STOCK_ENDPOINT": "dns:///stock:1"}
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "charites.settings", **split, **given}

    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert expected in done.stderr
