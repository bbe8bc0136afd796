"""An old client: generated from the original contract, knows nothing else. A program of its own.

    python old_client.py ADDRESS AUTHORIZATION Service.Method JSON

Prints the reply as JSON; of a failed call a JSON list: the status, its text, the number of the error as a stub reads
it, and the body that a grpc-gateway made of the original's files answers.
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import grpc
import grpc_tools
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
FILES = {"Goods": "goods", "Stock": "stock", "Order": "orders"}


def generate(folder: str, file: str) -> None:
    include = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [f"-I{HERE}", f"-I{include}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    assert protoc.main(["protoc", *arguments, f"{file}.proto"]) == 0


def read(error: Any, error_class: Any) -> tuple[int, Any]:
    """Returns the number in the details of a status, and the status as grpc-gateway writes it."""
    trailers = dict(error.trailing_metadata())
    status, found = Status.FromString(trailers["grpc-status-details-bin"]), error_class()
    assert all(detail.Unpack(found) for detail in status.details)
    return found.code, json_format.MessageToDict(status)


def main(address: str, authorization: str, name: str, request: str) -> None:
    service, _, method = name.partition(".")
    file = FILES[service]
    with tempfile.TemporaryDirectory() as folder:
        generate(folder, file)
        generate(folder, "error")
        sys.path.insert(0, folder)
        error_class = importlib.import_module("error_pb2").Error
        messages = importlib.import_module(f"{file}_pb2")
        stubs = importlib.import_module(f"{file}_pb2_grpc")
    described = messages.DESCRIPTOR.services_by_name[service].methods_by_name[method]
    message = json_format.Parse(request, getattr(messages, described.input_type.name)())
    with grpc.insecure_channel(address) as channel:
        try:
            reply = getattr(getattr(stubs, f"{service}Stub")(channel), method)(
                message, metadata=[("authorization", authorization)], timeout=60
            )
        except grpc.RpcError as error:
            answer = [error.code().name, error.details(), *read(error, error_class)]
        else:
            assert type(reply).DESCRIPTOR is described.output_type
            answer = json_format.MessageToDict(reply)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
