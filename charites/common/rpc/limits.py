"""What every transport of gRPC bounds alike."""

from django.conf import settings

METADATA_BYTES = 8 * 1024
DRAIN_SECONDS = 10.0
MOST_STREAMS = 128  # of each kind: health's, reflection's two. They need no token, and may have no end


def allowed_seconds(given: float | None) -> float:
    """How long a call may take, whatever its caller gives it."""
    most = float(settings.GRPC_DEADLINE_SECONDS)
    return most if given is None else min(given, most)


def message_bytes() -> int:
    """How long a message may be for the transport, so that one a little too large gets an answer with our error."""
    return int(4 * settings.REQUEST_MAX_BYTES)


def open_calls() -> int:
    """How many calls may be open, with those whose request is still on its way; past GRPC_MAX_CONCURRENT they are
    answered busy."""
    return max(1, 2 * int(settings.GRPC_MAX_CONCURRENT))
