"""Pages of rows along an index: a page costs the same wherever it lies, and however long the list is."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def along(rows: QuerySet[Row], *order: str, **fixed: Any) -> QuerySet[Row]:
    """Rows with these values in the first columns of an index, in the order of those that follow in it.

    `order`: all upwards, or all with a minus. A value is asked for as a range, and the order begins with its column:
    of `status = 100 AND order_id < 7 ORDER BY order_id DESC` MariaDB takes the equality alone to the index, and walks
    through all newer orders of that status before it comes to the page.
    """
    ranges = {f"{name}__{bound}": value for name, value in fixed.items() for bound in ("gte", "lte")}
    sign = "-" if order[0].startswith("-") else ""
    return rows.filter(**ranges).order_by(*(f"{sign}{name}" for name in fixed), *order)
