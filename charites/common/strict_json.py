"""JSON as RFC 8259 has it and as everybody reads it alike (RFC 7493): UTF-8, every name once, numbers that are numbers.

The one reader of what comes from outside: bodies of requests, a provider's notices, the JSON of the admin's forms and
of commands.
"""

import math
import unicodedata
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

from django.utils.http import parse_header_parameters
from django.utils.translation import gettext_lazy as _

from charites.common.errors import Invalid
from charites.common.text import name_of

MOST_DEPTH = 20  # of lists and objects in one another; MariaDB keeps 32
MOST_DIGITS = 64  # of a whole number: no column has as many
UTF_8 = "utf-8"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NAME_SHOWN = 64  # characters of a name that somebody sent


class NotStrict(ValueError):
    """JSON that readers read in different ways; `fault` says why."""

    def __init__(self, fault: Invalid) -> None:
        self.fault = fault
        super().__init__(fault)


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Raises NotStrict where a name comes twice: of two prices, each reader takes its own."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)[:NAME_SHOWN]
        raise NotStrict(Invalid(twice.encode(errors="replace").decode(), _("comes twice")))
    return found


def whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise NotStrict(Invalid("body", _("holds a number that is too large")))
    return int(digits)


def number(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise NotStrict(Invalid("body", _("holds a number that is too large")))
    return found


def no_number(word: str) -> NoReturn:
    """NaN and the infinities, which JSON does not have."""
    raise NotStrict(Invalid("body", _("holds %(word)s, which is not JSON"), word=word))


# Made once: `json.loads` with such functions makes one for every call.
DECODER = JSONDecoder(object_pairs_hook=object_of, parse_int=whole_number, parse_float=number, parse_constant=no_number)


def read_body(data: bytes, content_type: str) -> Any:
    """Returns what a body says. Raises Invalid, also where its content type names another encoding than JSON has."""
    charset = parse_header_parameters(content_type)[1].get("charset", UTF_8)
    if charset.strip("'\"").lower() != UTF_8:
        raise Invalid("Content-Type", _("must be JSON in UTF-8"))
    return read_json(data)


def read_json(data: bytes) -> Any:
    """Returns what the bytes say. Raises Invalid."""
    if data.startswith(BYTE_ORDER_MARK):
        raise Invalid("body", _("begins with a byte order mark"))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Invalid("body", _("is not UTF-8")) from error
    return read_text(text)


def read_text(text: str) -> Any:
    """Returns what a JSON text says. Raises Invalid."""
    try:
        value = DECODER.decode(text)
    except NotStrict as error:
        raise error.fault from error
    except JSONDecodeError as error:
        raise Invalid("body", _("is not valid JSON")) from error
    except RecursionError as error:
        raise too_deep() from error
    if text.count("{") + text.count("[") > MOST_DEPTH and is_deep(value, MOST_DEPTH):
        raise too_deep()
    if "\\u" in text:
        check_halves(value)
    return value


def check_halves(value: Any, path: str = "") -> None:
    """Raises Invalid for half a character: JSON can say one by its number, and UTF-8 has none."""
    if isinstance(value, str):
        if half := next(filter(is_half, value), None):
            field, character = path.encode(errors="replace").decode() or "body", name_of(half)
            raise Invalid(field, _("holds %(character)s, which cannot be printed"), character=character)
    elif isinstance(value, dict):
        for name, inner in value.items():
            here = f"{path}.{name[:NAME_SHOWN]}".strip(".")
            check_halves(name, here)
            check_halves(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            check_halves(inner, f"{path}.{index}".strip("."))


def is_half(character: str) -> bool:
    return unicodedata.category(character) == "Cs"


def too_deep() -> Invalid:
    return Invalid("body", _("is nested deeper than %(limit)s levels"), limit=MOST_DEPTH)


def is_deep(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in one another on more levels than these."""
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return not levels or any(is_deep(inner, levels - 1) for inner in inside)
