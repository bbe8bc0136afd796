"""Nothing that a caller sent outlives its answer: errors hold the stack they were raised on, so none is ever kept."""

import enum
import functools
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest

from charites.common.errors import Busy
from lab.kit.busy_doors import BUSY_DOORS, left_behind, live_requests
from lab.kit.factories import make_goods

PACKAGES = ("charites", "goods", "stock", "orders", "messaging")
ANSWERS = 50


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("door", BUSY_DOORS)
def test_busy_answers_leave_no_request_alive(door: str) -> None:
    make_goods(1, stock=5)
    before = live_requests()

    with BUSY_DOORS[door]() as ask:
        for _ in range(ANSWERS):
            ask()

    assert left_behind(before) == {}


# Constants


def our_modules() -> Iterator[types.ModuleType]:
    """All modules of the shop, but for tests, migrations, what runs when it is loaded, and what wants an extra."""
    for package in PACKAGES:
        module = import_module(package)
        yield module
        for found in walk_packages(module.__path__, f"{package}."):
            if not {"tests", "migrations", "__main__", "asgi", "grpc_app", "rocketmq"} & set(found.name.split(".")):
                yield import_module(found.name)


def kept_errors(module: types.ModuleType) -> list[str]:
    """Where exceptions are kept in what lives as long as the module, by path."""
    found: list[str] = []
    seen: set[int] = set()

    def look(path: str, thing: Any) -> None:
        if id(thing) in seen:
            return
        seen.add(id(thing))
        if isinstance(thing, BaseException):
            found.append(f"{path}: {thing!r}")
        for name, part in parts_of(thing, module.__name__):
            look(f"{path}.{name}", part)

    look(module.__name__, module)
    return found


def parts_of(thing: Any, module: str) -> list[tuple[Any, Any]]:
    """What a value holds, as far as it is written down in the module."""
    match thing:
        case types.ModuleType():
            return list(vars(thing).items()) if thing.__name__ == module else []
        case type():
            return list(vars(thing).items()) if thing.__module__ == module else []
        case Mapping():
            return [*enumerate(thing.keys()), *thing.items()]
        case list() | tuple() | set() | frozenset():
            return list(enumerate(thing))
        case enum.Enum():
            return [("value", thing.value)]
        case types.FunctionType() | functools.partial() | staticmethod() | classmethod() | property():
            return parts_of_function(thing)
    if is_dataclass(thing):
        return [(one.name, getattr(thing, one.name, None)) for one in fields(thing)]
    return list(vars(thing).items()) if type(thing).__module__ == module and hasattr(thing, "__dict__") else []


def parts_of_function(thing: Any) -> list[tuple[Any, Any]]:
    """Its defaults and what it closes over, or the function that it wraps and with what."""
    match thing:
        case types.FunctionType():
            cells = [cell for cell in thing.__closure__ or () if cell != types.CellType()]
            closed = [cell.cell_contents for cell in cells]
            return list(enumerate([*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values(), *closed]))
        case functools.partial():
            return [("func", thing.func), *enumerate(thing.args), *thing.keywords.items()]
        case property():
            return [("fget", thing.fget)]
    return [("func", thing.__func__)]


def test_no_error_is_kept_in_a_constant() -> None:
    modules = list(our_modules())

    assert {"stock.moves", "orders.flows.half_message", "charites.common.rpc.adapter"} <= {m.__name__ for m in modules}
    assert [path for module in modules for path in kept_errors(module)] == []


@dataclass(frozen=True, slots=True)
class Kept:
    error: Any
    more: list[Any] = field(default_factory=list)


class Holder:
    ERROR = Busy()


class Choice(enum.Enum):
    FIRST = (1, Busy())


def defaulted(error: Exception = Busy()) -> Exception:  # noqa: B008 (what the test is about)
    return error


def closing(error: Exception) -> Any:
    return lambda: error


@pytest.mark.parametrize(
    "value",
    [
        Busy(),
        {"busy": Busy()},
        {"busy": [(1, Busy())]},
        Kept(Busy()),
        Kept(None, [Kept(Busy())]),
        types.MappingProxyType({1: Busy()}),
        functools.partial(print, Busy()),
        closing(Busy()),
        defaulted,
        Holder,
        Choice,
    ],
    ids=["itself", "dict", "nested", "dataclass", "inner", "mapping", "partial", "closure", "default", "class", "enum"],
)
def test_error_that_is_kept_is_found(value: Any) -> None:
    module = types.ModuleType(__name__)
    module.CONSTANT = value

    assert [path.partition(":")[0].startswith(f"{__name__}.CONSTANT") for path in kept_errors(module)] == [True]


def test_error_class_in_a_constant_is_no_error() -> None:
    module = types.ModuleType(__name__)
    module.CONSTANT = Kept({"busy": Busy})

    assert kept_errors(module) == []
