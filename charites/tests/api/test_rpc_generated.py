"""The generated gRPC code is what the .proto files say."""

import subprocess
import sys

import pytest

from lab.generate.files import stale
from lab.generate.grpc_code import generated
from lab.kit.processes.shop import ROOT


def test_the_generated_code_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.generate.grpc_code", "--check"], cwd=ROOT, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "Generated code is up to date.\n", "")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"a_pb2.py": b"new"}, []),
        ({"a_pb2.py": b"old"}, ["a_pb2.py"]),
        ({}, ["a_pb2.py"]),
        ({"a_pb2.py": b"new", "b_pb2.py": b"of a file that is gone"}, ["b_pb2.py"]),
    ],
)
def test_code_that_is_different_missing_or_left_over_is_stale(stored: dict[str, bytes], expected: list[str]) -> None:
    assert stale({"a_pb2.py": b"new"}, stored) == expected


def test_every_app_with_a_service_has_generated_code() -> None:
    stubs = sorted(path for path in generated(ROOT) if path.endswith("_pb2_grpc.py"))

    assert stubs == ["goods/rpc/goods_pb2_grpc.py", "orders/rpc/orders_pb2_grpc.py", "stock/rpc/stock_pb2_grpc.py"]
