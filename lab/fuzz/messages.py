"""Messages of protobuf, made from their descriptors: such as people send, of edge values, and broken ones."""

from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from lab.fuzz.values import Values

INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}
FIT_SHARE, LEFT_OUT = 0.8, 0.15
LENGTHS = (0, 1, 1, 2, 3, 100, 101, 2_000)
# Field 0; a group that does not end; a number of eleven bytes; a text that is no UTF-8; a length beyond the message; an
# unknown field; the wrong kind of a known one; a nesting that does not end.
RUBBISH = (
    *(b"\x00", b"\x0b", b"\x08" + b"\xff" * 11, b"\x32\x02\xc3\x28", b"\x12\xff\xff\xff\xff\x0f"),
    *(b"\xf8\xff\xff\xff\x0f\x01", b"\x09" + b"\x01" * 8, b"\x4a\x02\x4a\x7f" * 40, b"\x0b" * 200),
)


def make_message(descriptor: Descriptor, values: Values, *, fit: bool, depth: int = 0) -> Message:
    """Returns a message; `fit`: most of its fields have values that make sense."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if not fit and values.random.random() < LEFT_OUT or depth > 3:
            continue
        if field.is_repeated:
            # One field may stand for the others (a product, or items).
            number = values.random.choice((0, 1, 2) if fit else LENGTHS)
            for _ in range(number):
                append(getattr(message, field.name), field, values, fit=fit, depth=depth)
        elif field.message_type is None:
            setattr(message, field.name, make_value(field, values, fit=fit))
        else:
            getattr(message, field.name).CopyFrom(make_message(field.message_type, values, fit=fit, depth=depth + 1))
    return message


def append(entries: Any, field: FieldDescriptor, values: Values, *, fit: bool, depth: int) -> None:
    if field.message_type is None:
        entries.append(make_value(field, values, fit=fit))
    else:
        entries.append(make_message(field.message_type, values, fit=fit, depth=depth + 1))


def make_value(field: FieldDescriptor, values: Values, *, fit: bool) -> Any:
    """A value of the field's type."""
    random = values.random
    if (fit or random.random() < FIT_SHARE) and (found := values.fitting(field.json_name)) is not None:
        return found
    if field.cpp_type in INTEGERS:
        low, high = INTEGERS[field.cpp_type]
        return min(high, max(low, values.number()))
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            text = values.text()
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        case FieldDescriptor.CPPTYPE_BOOL:
            return random.random() < 0.5
    return random.choice((0.0, -1.5, float("inf"), float("nan")))


def break_bytes(data: bytes, random: Random) -> bytes:
    """Returns the bytes of a message with something wrong about them."""
    at = random.randrange(len(data) + 1)
    match random.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + random.choice(RUBBISH) + data[at:]
        case 2:
            return bytes(byte ^ (1 << random.randrange(8)) if random.random() < 0.1 else byte for byte in data)
        case 3:
            return random.randbytes(random.randrange(200))
    return data * random.choice((2, 30, 3_000))
