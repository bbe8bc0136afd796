"""What AMQP's client makes of a message whose properties it cannot read: it comes without them.

The client itself raises whatever decoding raises, which ends a connection, or a worker of Celery, at each delivery of
that message; and those that had come with it go back.
"""

from collections.abc import Callable
from typing import Any

from amqp import Message
from amqp.method_framing import frame_handler

HEADER_FRAME, NO_PROPERTIES = 2, b"\0\0"
PROPERTIES_AT = 12  # in a header frame: behind the class, the weight and the size of the body


def frames(connection: Any, callback: Any) -> Callable[[Any], bool]:
    """Takes frames as the client does, but for headers that it cannot read. Stands in the transport's options as
    `frame_handler`."""
    take: Callable[[Any], bool] = frame_handler(connection, callback)

    def take_readable(frame: Any) -> bool:
        kind, channel, content = frame
        return take((kind, channel, readable(content) if kind == HEADER_FRAME else content))

    return take_readable


def readable(header: bytes) -> bytes:
    """A header frame as it is, or without properties where they are none: a text that is not UTF-8, a time of no
    calendar, a table within a table within a table."""
    try:
        Message().inbound_header(header)
    except Exception:  # noqa: BLE001 (whatever the client makes of bytes of a stranger)
        return header[:PROPERTIES_AT] + NO_PROPERTIES
    return header
