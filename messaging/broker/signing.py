"""Who an envelope comes from: a signature over all that is acted upon, by the keys that tokens are signed with.

It is good for this envelope alone, so whoever reads the broker's queues can call nobody with it, and can only send the
same again, which is harmless.
"""

import hashlib
import json
from dataclasses import replace

from charites.common.auth import Identity, sign_content, verify_content
from charites.common.errors import TokenExpired, Unauthenticated
from messaging.broker.port import Envelope, Unreadable


def sign(envelope: Envelope, *, name: str) -> Envelope:
    """Returns the envelope, signed by the service of this name. Raises ImproperlyConfigured where nothing is signed."""
    return replace(envelope, signature=sign_content(name, digest(envelope)))


def sender_of(envelope: Envelope) -> Identity:
    """Returns which service signed it. Raises Unreadable."""
    try:
        return verify_content(envelope.signature, digest(envelope))
    except TokenExpired as error:
        raise Unreadable("its signature has expired") from error
    except Unauthenticated as error:
        raise Unreadable("no service of ours has signed it") from error


def digest(envelope: Envelope) -> str:
    told = json.dumps([envelope.kind, envelope.about, envelope.reply_to])
    return hashlib.sha256(told.encode() + b"\n" + envelope.body).hexdigest()
