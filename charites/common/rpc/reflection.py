"""Reflection as v1 and v1alpha: the same messages under two names, of which grpcio-reflection has the older alone."""

from collections.abc import Iterable

from django.conf import settings
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default as default_pool
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import DESCRIPTOR
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest as Request
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionResponse as Response

__all__ = ["METHOD", "NAMES", "Request", "Response", "names", "names_with"]

METHOD = "ServerReflectionInfo"
NAMES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)


def names() -> tuple[str, ...]:
    """Returns the names under which this server describes itself, if it does."""
    return NAMES if "reflection" in settings.PUBLIC_PARTS else ()


def names_with(services: Iterable[str]) -> list[str]:
    """Returns what reflection lists: these services and itself. From then on v1 can be described, too."""
    describe_v1()
    return [*services, *names()]


def describe_v1() -> None:
    """Puts v1's file beside v1alpha's, unless somebody has it already: it differs in its names."""
    pool = default_pool()
    try:
        pool.FindFileContainingSymbol(NAMES[0])
    except KeyError:
        pool.Add(v1_file())


def v1_file() -> FileDescriptorProto:
    """https://github.com/grpc/grpc-proto/blob/master/grpc/reflection/v1/reflection.proto"""
    older, newer = FileDescriptorProto(), FileDescriptorProto()
    DESCRIPTOR.CopyToProto(older)
    text_format.Parse(text_format.MessageToString(older).replace("v1alpha", "v1"), newer)
    newer.name = "grpc/reflection/v1/reflection.proto"
    newer.options.ClearField("deprecated")
    return newer
