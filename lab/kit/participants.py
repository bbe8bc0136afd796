"""Participants for the tests of strategies: they store rows that have nothing to do with orders."""

from collections.abc import Sequence

from django.contrib.auth.models import Group

from stock.moves import NO_RULES, OK, REPEATED, Move, Outcome, Rules

POISON, LEFT_OUT = "poison", "left out"


class Poison(Exception):
    """What the participant raises for a move with the payload POISON."""


class NoteParticipant:
    """Stores one row per move under its key: a group of django.contrib.auth, whose name is unique.

    The payload says how a move goes: POISON makes `write` raise, LEFT_OUT makes it leave the move out.
    """

    def __init__(self) -> None:
        self.batches: list[list[int]] = []  # order ids of each call of `write`

    def settle(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        stored = set(notes(moves).values_list("name", flat=True))
        return {move: REPEATED for move in moves if name_of(move) in stored}

    def rules(self, moves: Sequence[Move]) -> Rules:
        return NO_RULES

    def write(self, moves: Sequence[Move]) -> list[Move]:
        self.batches.append([move.order_id for move in moves])
        accepted = [move for move in moves if move.payload != LEFT_OUT]
        Group.objects.bulk_create(Group(name=name) for name in sorted(map(name_of, accepted)))
        if any(move.payload == POISON for move in moves):
            raise Poison
        return accepted

    def find(self, moves: Sequence[Move]) -> dict[Move, Outcome]:
        there = {note.name for note in notes(moves).order_by("name").select_for_update()}
        return {move: OK for move in moves if name_of(move) in there}


def name_of(move: Move) -> str:
    return str(move.key)


def notes(moves: Sequence[Move]):
    return Group.objects.filter(name__in=[name_of(move) for move in moves])


def stored_notes() -> list[str]:
    """The keys of all moves that took effect, sorted."""
    return sorted(Group.objects.values_list("name", flat=True))
