"""The tests' own shop: a port that somebody took is changed before anybody was told."""

import socket
from pathlib import Path

import pytest

from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from lab.kit.processes.stock_service import StockService
from lab.servers import LOOPBACK


@pytest.mark.long
@pytest.mark.slow
def test_servers_that_find_their_ports_taken_come_up_on_others(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    with Shop(tmp_path, process_environment) as shop:
        first = shop.http_port, shop.grpc_port
        with socket.create_server((LOOPBACK, first[0])), socket.create_server((LOOPBACK, first[1])):
            shop.start("web", "grpc")
            shop.await_web()
            wait_until(
                lambda: f"gRPC on {shop.grpc_address}\n" in shop.log("grpc"), seconds=START_SECONDS, what="gRPC listens"
            )

        assert not {shop.http_port, shop.grpc_port} & set(first)


@pytest.mark.once
@pytest.mark.slow
def test_stock_service_that_finds_its_port_taken_comes_up_on_another(tmp_path: Path) -> None:
    service = StockService(tmp_path)
    first = service.address
    with socket.create_server((LOOPBACK, int(first.rpartition(":")[2]))), service:
        assert service.address != first
        service.set_stock(1, 5)
        assert service.counts(1) == (5, 0, 0)
