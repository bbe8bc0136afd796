"""An old client: generated from the original contract, knows nothing else. A program of its own.

    python old_client.py ADDRESS AUTHORIZATION Service.Method JSON

Prints the reply as JSON, or the status and its text, as a JSON list of two.
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path

import grpc
import grpc_tools
from google.protobuf import json_format
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
FILES = {"Goods": "goods", "Stock": "stock", "Order": "orders"}


def generate(folder: str, file: str) -> None:
    include = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [f"-I{HERE}", f"-I{include}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    assert protoc.main(["protoc", *arguments, f"{file}.proto"]) == 0


def main(address: str, authorization: str, name: str, request: str) -> None:
    service, _, method = name.partition(".")
    file = FILES[service]
    with tempfile.TemporaryDirectory() as folder:
        generate(folder, file)
        sys.path.insert(0, folder)
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
            answer = [error.code().name, error.details()]
        else:
            assert type(reply).DESCRIPTOR is described.output_type
            answer = json_format.MessageToDict(reply)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
