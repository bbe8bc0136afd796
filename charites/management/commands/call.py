"""`manage.py call Stock.GetStock '{"GoodsId": 1}'`: a sample client over reflection and JSON."""

import logging
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import grpc
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from charites.common.errors import Invalid
from charites.common.rpc import Client, read_error
from charites.common.rpc.tls import Tls, TlsUnusable
from charites.common.strict_json import read_json

DEMO_TOKEN = "Bearer token"
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}


class Command(BaseCommand):
    help = "Calls a gRPC method of a running server. Knows nothing of it beforehand: it asks by reflection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        host = EVERY_ADDRESS.get(settings.GRPC_HOST, settings.GRPC_HOST)
        parser.add_argument("method", nargs="?", help="such as Stock.GetStock")
        parser.add_argument("request", nargs="?", default="{}", help='JSON, such as {"GoodsId": 1}')
        parser.add_argument("--list", action="store_true", dest="listing", help="the methods that the server has")
        parser.add_argument("--address", default=f"{host}:{settings.GRPC_PORT}")
        parser.add_argument("--token", default=DEMO_TOKEN if settings.DEMO else None, help="the authorization value")
        parser.add_argument("--tls-ca", type=Path, help="certificate of the authority, PEM, for a server with TLS")
        parser.add_argument("--tls-cert", type=Path, help="own certificate, PEM, for a server that asks for one")
        parser.add_argument("--tls-key", type=Path, help="its private key, PEM")

    def handle(self, *, method: str | None, request: str, listing: bool, token: str | None, **options: Any) -> None:
        if not listing and (not method or token is None):
            raise CommandError(
                "Name a method, or use --list." if token else "Outside the demo a call needs --token 'Bearer ...'."
            )
        logging.getLogger("grpc_reflection").setLevel(logging.WARNING)  # it tells of every file that it loads
        credentials = read_credentials(options["tls_ca"], options["tls_cert"], options["tls_key"])
        with Client(options["address"], token=token or "", timeout_seconds=10, credentials=credentials) as client:
            try:
                lines = list_methods(client) if listing else [call(client, method or "", request)]
            except grpc.RpcError as error:
                raise CommandError(describe(error)) from error
        self.stdout.write("\n".join(lines))


def read_credentials(*paths: Path | None) -> grpc.ChannelCredentials | None:
    """Reads what a server with TLS is checked against, and one's own certificate and key. Raises CommandError."""
    try:
        tls = Tls.read(*paths)
    except TlsUnusable as error:
        raise CommandError(str(error)) from error
    return tls.of_client() if tls else None


def list_methods(client: Client) -> list[str]:
    """Returns the names of all methods, sorted."""
    database = ProtoReflectionDescriptorDatabase(client.channel)
    pool = DescriptorPool(database)
    services = [pool.FindServiceByName(name) for name in database.get_services()]
    return sorted(f"{service.full_name}.{method.name}" for service in services for method in service.methods)


def call(client: Client, name: str, request: str) -> str:
    """Makes one call; JSON in, JSON out. Raises CommandError for a wrong name or request, RpcError for a refusal."""
    method = find_method(client, name)
    try:
        fields = read_json(request.encode(errors="surrogateescape"))
        message = json_format.ParseDict(fields, GetMessageClass(method.input_type)())
    except (Invalid, json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        reason = error.message if isinstance(error, Invalid) else error
        raise CommandError(f"The request does not fit {method.input_type.full_name}: {reason}") from error
    make = client.channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=type(message).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return json_format.MessageToJson(make(message), always_print_fields_with_no_presence=True, ensure_ascii=False)


def find_method(client: Client, name: str) -> MethodDescriptor:
    """Returns the method that the server describes. Raises CommandError when there is none."""
    service, _dot, method = name.replace("/", ".").rpartition(".")
    try:
        return (
            DescriptorPool(ProtoReflectionDescriptorDatabase(client.channel))
            .FindServiceByName(service)
            .methods_by_name[method]
        )
    except KeyError as error:
        raise CommandError(f"The server has no method {name}; --list names those it has.") from error


def describe(error: grpc.RpcError) -> str:
    """Returns what a failed call said: the status, our number and text; or why no server answered."""
    ours = read_error(error)
    if ours is None and error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return "The server does not describe itself: PUBLIC_PARTS, where it runs, has to name reflection."
    return f"{error.code().name} {ours.code}: {ours.message}" if ours else f"{error.code().name}: {error.details()}"
