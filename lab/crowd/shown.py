"""What a desk shows of the last run in its room."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from lab.crowd import runs
from lab.crowd.reset import seeded_rooms
from lab.crowd.runs import Run, State, Told
from live import hosts

TAG = "crowd"  # of messages that a desk shows
CUT_OFF = "cut off"
WORDS: dict[Told, str | Promise] = {
    Told.GOT_IT: _("got it"),
    Told.SOLD_OUT: _("sold out"),
    Told.LIMITED: _("limited"),
    Told.NOT_STARTED: _("not started"),
    Told.OVER: _("not for sale"),
    Told.BUSY: _("told to come back"),
    Told.NO_ANSWER: _("no answer"),
    Told.OTHER: _("refused otherwise"),
}


class Part(NamedTuple):
    """Buyers who were told the same; `before` is how many stand in front of them in the bar."""

    told: Told
    words: str | Promise
    buyers: int
    before: int


@dataclass(frozen=True, slots=True)
class Shown:
    """The last run of a room, if there is one. `state` is that of its file, or CUT_OFF."""

    run: Run | None
    state: str
    parts: Sequence[Part]
    is_seeded: bool  # the room can be put back

    @property
    def is_running(self) -> bool:
        return self.state == State.RUNNING


def may_restock(request: HttpRequest) -> bool:
    """Whether the stock may be set here. Whoever has not signed in on this machine is the demo's own staff."""
    if not request.user.is_authenticated:
        return True
    host = hosts.host_of(request)
    return host is not None and host.may(hosts.Part.RESTOCK)


def read_shown(room_id: int) -> Shown:
    was_under_way = runs.is_under_way()  # first: a run says that it has ended, and then lets go
    run = runs.find_last(room_id)
    state = state_of(run, was_under_way) if run else ""
    return Shown(run, state, parts_of(run) if run else [], room_id in seeded_rooms())


def state_of(run: Run, was_under_way: bool) -> str:
    """One that has begun since then is under way now."""
    is_cut_off = run.state is State.RUNNING and not was_under_way and not runs.is_under_way()
    return CUT_OFF if is_cut_off else run.state.value


def parts_of(run: Run) -> list[Part]:
    parts: list[Part] = []
    before = 0
    for told, words in WORDS.items():
        count = run.told.get(told, 0)
        if count or told is Told.GOT_IT:  # named also where it was nobody
            parts.append(Part(told, words, count, before))
        before += count
    return parts


def as_json(room_id: int) -> dict[str, Any]:
    """The same for programs: every number, in words that do not change with the language."""
    shown = read_shown(room_id)
    if shown.run is None:
        return {"state": None}
    run = asdict(shown.run) | {"room_id": str(room_id), "goods_id": str(shown.run.goods_id), "state": shown.state}
    told = {kind.value: shown.run.told.get(kind, 0) for kind in Told}
    return run | {"told": told, "agree": shown.run.rows.agree if shown.run.rows else None}
