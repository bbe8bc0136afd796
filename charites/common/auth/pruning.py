"""What is remembered of tokens that have expired goes."""

from datetime import datetime

from charites.common.auth.sessions import prune_families
from charites.common.auth.standing import prune_ends


def prune(*, now: datetime) -> int:
    """Deletes one small step of it; returns how many rows."""
    return prune_ends(now=now) + prune_families(now=now)
