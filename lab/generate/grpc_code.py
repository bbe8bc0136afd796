"""Generates the gRPC code next to every .proto file. `--check` writes nothing and exits 1 if something is stale."""

import argparse
import sys
import tempfile
from pathlib import Path

import google.api
import grpc_tools
from grpc_tools import protoc

from lab.generate.files import renew, stale

ROOT = Path(__file__).resolve().parents[2]
PROTOS = (
    "charites/common/error.proto",
    "charites/common/error_before.proto",
    "goods/rpc/goods.proto",
    "stock/rpc/stock.proto",
    "orders/rpc/orders.proto",
)
INCLUDES = (
    ROOT,
    Path(grpc_tools.__file__).parent / "_proto",  # google/protobuf
    Path(google.api.__path__[0]).parent.parent,  # google/api
)


def generate(target: Path) -> None:
    """Writes all generated files below `target`. Paths mirror the apps, so imports read `goods.rpc.goods_pb2`."""
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    includes = [f"-I{folder}" for folder in INCLUDES]
    if protoc.main(["protoc", *includes, *outputs, *PROTOS]) != 0:
        sys.exit("charites: protoc refused a .proto file; its words are above.")
    for proto in PROTOS:
        if "service " not in (ROOT / proto).read_text():  # protoc writes an empty one for a file without a service
            stub_file(target / proto).unlink()


def stub_file(proto: Path) -> Path:
    """Where the client stubs of a .proto file are."""
    return proto.with_name(f"{proto.stem}_pb2_grpc.py")


def generated(folder: Path) -> dict[str, bytes]:
    """The generated files below a folder, by their path in the repository."""
    files = [file for proto in PROTOS for file in (folder / proto).parent.glob("*_pb2*") if file.suffix != ".pyc"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = generated(Path(folder))
    changed = stale(fresh, generated(ROOT))
    if arguments.check and changed:
        sys.exit("charites: stale generated code, run `make gen`: " + ", ".join(changed))
    if not arguments.check:
        renew(ROOT, changed, fresh)
        for path in sorted(fresh.keys() & set(changed)):
            print(f"  {path}")
    if not changed:
        print("Generated code is up to date.")


if __name__ == "__main__":
    main()
