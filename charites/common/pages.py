"""Rows along an index: a page costs the same wherever it lies, and however long the list is; so does a count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from charites.common.models import DEFAULT_PAGE, MAX_INT64, MAX_PAGE

Row = TypeVar("Row", bound=Model)
Item = TypeVar("Item")
Other = TypeVar("Other")
MOST_COUNTED = 10_000
MOST_LOOKED_AT = 10_000  # for a page of what no index leads to
FEW = 1_000  # that may be read for a page, and sorted


class Cursor(NamedTuple):
    """Which page of a list: `limit` rows (MAX_PAGE at most) with ids below `before` or above `after`; one of the two,
    or none for the first page."""

    before: int | None = None
    after: int | None = None
    limit: int = DEFAULT_PAGE


class Turn(NamedTuple):
    """Where a page beside another one is: `before` or `after` an id."""

    way: str
    number: int


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Rows of a list in its order, and the pages on either side of them, where there are any."""

    items: list[Item]
    next: Turn | None
    previous: Turn | None

    def of(self, make: Callable[[list[Item]], list[Other]]) -> "Page[Other]":
        """The same page of something that is made of its rows."""
        return Page(make(self.items), self.next, self.previous)


def read_page(
    rows: QuerySet[Row], column: str, cursor: Cursor, *, keys_first: bool = False, chosen: Q | None = None
) -> Page[Row]:
    """Reads a page of rows that are in the order of a column, upwards or downwards. What lies on the side that one came
    from is a guess: it may have gone. An empty page behind a cursor leads back.

    `keys_first`: reads the column alone, which an index has, and then those rows. In one statement MariaDB would rather
    sort a table of a few thousand rows than follow an index that is not its primary key.

    `chosen`: which of the rows are meant, where no index leads to them. MOST_LOOKED_AT rows are looked at; the page may
    then be short, even empty, with others behind it.
    """
    limit = min(cursor.limit, MAX_PAGE)
    is_downwards = str(rows.query.order_by[-1]).startswith("-")
    onwards, back = ("before", "after") if is_downwards else ("after", "before")
    is_from_behind = getattr(cursor, back) is not None
    way, other = (back, onwards) if is_from_behind else (onwards, back)
    ordered = (rows.reverse() if is_from_behind else rows).filter(beyond(column, cursor))
    ordered, edge = looked_at(ordered, column, chosen, way) if chosen else (ordered, None)
    if keys_first:
        keys = list(ordered.values_list(column, flat=True)[: limit + 1])
        ordered = ordered.filter(**{f"{column}__in": keys})
    found = list(ordered[: limit + 1])
    items, numbers = found[:limit], [getattr(row, column) for row in found[:limit]]
    ahead = Turn(way, numbers[-1]) if len(found) > limit else edge
    behind = None
    if (came_from := getattr(cursor, way)) is not None:
        behind = Turn(other, numbers[0]) if numbers else including(came_from, other)
    return Page(items[::-1], behind, ahead) if is_from_behind else Page(items, ahead, behind)


def beyond(column: str, cursor: Cursor) -> Q:
    """The condition that a cursor stands for."""
    bounds = {f"{column}__lt": cursor.before, f"{column}__gt": cursor.after}
    return Q(**{bound: number for bound, number in bounds.items() if number is not None})


def including(number: int, way: str) -> Turn:
    """The turn to a number and what lies behind it."""
    return Turn(way, min(number + 1, MAX_INT64) if way == "before" else number - 1)


def looked_at(rows: QuerySet[Row], column: str, chosen: Q, way: str) -> tuple[QuerySet[Row], Turn | None]:
    """Those of the first MOST_LOOKED_AT rows that are chosen, and the turn to the rows behind these."""
    edge = rows.values_list(column, flat=True)[MOST_LOOKED_AT : MOST_LOOKED_AT + 1].first()
    if edge is None:
        return rows.filter(chosen), None
    return rows.filter(chosen, **{f"{column}__{'gt' if way == 'before' else 'lt'}": edge}), including(edge, way)


def one_by_one(**values: Any) -> Q:
    """The condition that rows have these values, said so that no index is looked for: with one of a value that many
    have, MariaDB would rather read and sort all of those than go along the index that a list is in the order of."""
    return Q(*(Exact(Coalesce(name, name), value) for name, value in values.items()))


def few_keys(rows: QuerySet[Row], column: str) -> list[int] | None:
    """The keys of rows that an index leads to, unless they are more than FEW."""
    keys = list(rows.order_by().values_list(column, flat=True)[: FEW + 1])
    return None if len(keys) > FEW else keys


def along(rows: QuerySet[Row], *order: str, **fixed: Any) -> QuerySet[Row]:
    """Rows with these values in the first columns of an index, in the order of those that follow in it.

    `order`: all upwards, or all with a minus. A value is asked for as a range, and the order begins with its column:
    of `status = 100 AND order_id < 7 ORDER BY order_id DESC` MariaDB takes the equality alone to the index, and walks
    through all newer orders of that status before it comes to the page.
    """
    ranges = {f"{name}__{bound}": value for name, value in fixed.items() for bound in ("gte", "lte")}
    sign = "-" if order[0].startswith("-") else ""
    return rows.filter(**ranges).order_by(*(f"{sign}{name}" for name in fixed), *order)


def count_values(model: type[Model], column: str, values: Sequence[str]) -> dict[str, int]:
    """Returns value -> rows that have it, MOST_COUNTED at most: to count a million takes too long for whoever watches.
    The column is the first of an index."""
    table = connection.ops.quote_name(model._meta.db_table)
    count = f"SELECT %s, COUNT(*) FROM (SELECT 1 FROM {table} WHERE {column} = %s LIMIT {MOST_COUNTED}) AS counted"
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([count] * len(values)), [word for value in values for word in (value, value)])
        return dict(cursor.fetchall())
