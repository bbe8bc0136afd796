"""Products of which nothing was left a moment ago: who wants one of them is told so without a look at the database.

It is a hint, half a second old at most: stock that comes back can be bought at once where it came back, and within half
a second everywhere else, whatever Redis does. Whoever has a key is not turned away by it: the key is looked up first,
for its first call may have got the last piece.
"""

from collections.abc import Collection, Iterable

from charites.common.recent import Recent

SECONDS = 0.5

_known: Recent[int, bool] = Recent(SECONDS)


def note(goods_ids: Iterable[int], *, read_at: float) -> None:
    """Keeps in mind that nothing is left of these, as read at `read_at` (of the monotonic clock) or later."""
    for goods_id in goods_ids:
        _known.note(goods_id, True, read_at=read_at)


def is_known(goods_id: int) -> bool:
    """Whether nothing was left of this product a moment ago. One caller in a while is told no, and looks again."""
    return _known.recall(goods_id) is not None


def forget(goods_ids: Collection[int]) -> None:
    """For whoever has given back or delivered stock, after the commit."""
    if goods_ids:
        _known.forget(goods_ids)


def clear() -> None:
    """Forgets everything."""
    _known.clear()
