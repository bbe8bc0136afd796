"""A client generated from the original contract, in a process of its own, against a real `manage.py grpcserver`; what
it is refused, over each transport; and that contract itself, field by field."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc_tools
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message
from grpc_tools import protoc

from charites.common.error_pb2 import Error
from charites.common.rpc import installed_methods
from charites.gateway import as_json, route_of
from lab.kit.factories import bearer, counts, make_goods, make_room, staff_bearer
from lab.kit.grpc_server import grpc_server
from lab.kit.processes.shop import ROOT, Shop
from orders.models import Order
from stock.models import StockRecord

ORIGINAL = ROOT / "charites" / "tests" / "api" / "original"
Ask = Callable[..., Any]


def ask_at(address: str, name: str, authorization: str, request: dict[str, Any]) -> Any:
    """Has an old client make one call."""
    command = [sys.executable, str(ORIGINAL / "old_client.py"), address, authorization, name, json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def ask(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[Ask]:
    """Starts the server in demo mode; gives a function that makes one call."""
    with Shop(tmp_path, {**process_environment, "DEMO": "true"}) as shop:
        shop.start("grpc")
        shop.await_grpc(60)

        def call(name: str, authorization: str = "token", **request: Any) -> Any:
            return ask_at(shop.grpc_address, name, authorization, request)

        yield call


@pytest.mark.long
def test_an_old_client_reads_a_room_and_its_goods(ask: Ask) -> None:
    make_goods(1, title="杯子 Mug", head_imgs=["/1.svg"], detail=["350 ml"], code=690100000001, category_id=5)
    make_room(3, goods_ids=[1], current_goods_id=1)

    room = ask("Goods.GetGoodsListByRoomId", RoomId="3")
    goods = ask("Goods.GetGoodsDetail", GoodsId="1")

    shared = {"GoodsId": "1", "CategoryId": "5", "Title": "杯子 Mug", "Brief": "Brief.", "HeadImgs": ["/1.svg"]}
    shared |= {"MarketPrice": "12900", "Price": "9950"}
    assert room == {"CurrentGoodsId": "1", "data": [shared]}
    assert goods == {**shared, "Code": "690100000001", "Detail": ["350 ml"]}


@pytest.mark.long
def test_an_old_client_sets_reads_and_reduces_stock(ask: Ask) -> None:
    answers = [
        ask("Stock.SetStock", GoodsId=1, Num=50),
        ask("Stock.GetStock", GoodsId=1),
        ask("Stock.ReduceStock", GoodsId=1, Num=2, OrderId=77),
        ask("Stock.ReduceStock", GoodsId=1, Num=3),
    ]

    receipt = StockRecord.objects.get(kind=StockRecord.Source.RECEIPT)
    assert answers == [
        {"GoodsId": "1", "Num": "50"},
        {"GoodsId": "1", "Num": "50"},
        {"GoodsId": "1", "Num": "48", "OrderId": "77"},
        {"GoodsId": "1", "Num": "45", "OrderId": str(receipt.order_id)},
    ]
    assert counts(1) == (45, 2, 3)


def test_an_old_client_places_an_order_and_parses_the_reply_as_empty(ask: Ask) -> None:
    make_goods(1, stock=10)
    address = {"Address": "1 Harbour Road", "Name": "Li Lei", "Phone": "13800000000"}

    reply = ask("Order.CreateOrder", '"token"', GoodsId=1, Num=2, UserId=42, OrderId=5, **address)

    assert reply == {}
    assert list(Order.objects.values_list("user_id", "pay_amount")) == [(42, 19900)]
    assert counts(1) == (8, 2, 0)


REFUSALS = {
    "sold out": ("Order.CreateOrder", bearer, {"GoodsId": 1, "Num": 2}, "FAILED_PRECONDITION", 9, 40010003),
    "no token": ("Stock.GetStock", lambda: "nonsense", {"GoodsId": 1}, "UNAUTHENTICATED", 16, 10000002),
    "not a buyer's": ("Stock.SetStock", bearer, {"GoodsId": 1, "Num": 9}, "PERMISSION_DENIED", 7, 10000006),
    "no such product": ("Goods.GetGoodsDetail", bearer, {"GoodsId": 9}, "NOT_FOUND", 5, 30010001),
    "no product": ("Stock.SetStock", staff_bearer, {"Num": 9}, "INVALID_ARGUMENT", 3, 10000001),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.django_db(transaction=True)
def test_an_old_client_is_told_why_not_by_the_number_that_it_knows(refusal: Any) -> None:
    make_goods(1, stock=1)
    name, authorization, request, status, code, number = refusal
    address = {"Address": "1 Harbour Road", "Name": "Li Lei", "Phone": "138"} if name == "Order.CreateOrder" else {}

    with grpc_server() as server:
        told, words, read, of_gateway = ask_at(server, name, authorization(), {**request, **address})

    assert (told, read) == (status, number)
    detail = {"@type": "type.googleapis.com/Error", "code": number, "message": words}
    assert of_gateway == {"code": code, "message": words, "details": [detail]}
    assert counts(1) == (1, 0, 0)


# The contract, field by field


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    """The files of the original, described."""
    target = tmp_path_factory.mktemp("original") / "described"
    include = Path(grpc_tools.__file__).parent / "_proto"
    names = sorted(path.name for path in ORIGINAL.glob("*.proto"))
    assert protoc.main(["protoc", f"-I{ORIGINAL}", f"-I{include}", f"--descriptor_set_out={target}", *names]) == 0
    return list(FileDescriptorSet.FromString(target.read_bytes()).file)


def fields_of(described: DescriptorProto, messages: dict[str, DescriptorProto], path: str = "") -> Iterator[Any]:
    """Every field of a message, and of those in it: by its JSON names, with number and type."""
    for field in described.field:
        here = f"{path}{field.json_name}"
        yield here, field.number, FieldDescriptorProto.Type.Name(field.type), field.label
        inner = messages.get(field.type_name.lstrip("."))
        if inner is not None and field.type == FieldDescriptorProto.TYPE_MESSAGE:
            yield from fields_of(inner, messages, f"{here}.")


def all_of(message_class: type[Message]) -> set[Any]:
    """The same of a message of ours."""
    file = FileDescriptorProto()
    message_class.DESCRIPTOR.file.CopyToProto(file)
    messages = {message.name: message for message in file.message_type}
    return set(fields_of(messages[message_class.DESCRIPTOR.name], messages))


def test_every_field_of_the_original_has_its_number_type_and_json_name(original: list[FileDescriptorProto]) -> None:
    ours = {method.name: method for method in installed_methods()}
    seen: dict[str, set[Any]] = defaultdict(set)

    for file in original:
        messages = {message.name: message for message in file.message_type}
        for service in file.service:
            for method in service.method:
                name = f"{service.name}.{method.name}"
                for type_name, message_class in (
                    (method.input_type, ours[name].request_class),
                    (method.output_type, ours[name].reply_class),
                ):
                    if type_name != ".google.protobuf.Empty":
                        wanted = set(fields_of(messages[type_name.lstrip(".")], messages))
                        assert wanted - all_of(message_class) == set(), f"{name}, {type_name}"
                        seen[name] |= wanted

    assert {name: len(fields) for name, fields in seen.items()} == {
        "Goods.GetGoodsDetail": 12,
        "Goods.GetGoodsListByRoomId": 11,
        "Order.CreateOrder": 7,
        "Stock.GetStock": 3,
        "Stock.ReduceStock": 3,
        "Stock.SetStock": 3,
    }


def test_every_reply_prints_the_json_names_of_the_original(original: list[FileDescriptorProto]) -> None:
    ours = {method.name: method for method in installed_methods() if route_of(method)}
    replies = {
        f"{service.name}.{method.name}": messages[method.output_type.lstrip(".")]
        for file in original
        for messages in [{message.name: message for message in file.message_type}]
        for service in file.service
        for method in service.method
        if method.output_type != ".google.protobuf.Empty"
    }

    assert ours.keys() - replies.keys() == {"Order.CreateOrder"}  # answered with nothing, in the original
    for name, described in replies.items():
        assert as_json(ours[name].reply_class()).keys() >= {field.json_name for field in described.field}, name


def test_the_error_is_the_originals_and_keeps_its_third_number_free(original: list[FileDescriptorProto]) -> None:
    (of_old,) = next(file.message_type for file in original if file.name == "error.proto")
    file = FileDescriptorProto()
    Error.DESCRIPTOR.file.CopyToProto(file)
    (ours,) = file.message_type

    assert (file.package, ours.name) == ("", of_old.name)
    assert {(f.number, f.name, f.type) for f in of_old.field if f.number != 3} <= {
        (f.number, f.name, f.type) for f in ours.field
    }
    assert [(span.start, span.end) for span in ours.reserved_range] == [(3, 4)]
