"""Tables below the fields of an admin's page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.text import capfirst

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Section:
    """A table below the fields of a page."""

    title: Text
    headers: Sequence[Text]
    rows: Sequence[Sequence[Any]]


def link(row: Model, text: Any) -> str:
    """A link to the admin page of a row."""
    meta = row._meta
    return format_html(
        '<a href="{}">{}</a>', reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk]), text
    )


def section(
    title: Text,
    model: type[Model],
    rows: Sequence[Model],
    *names: str,
    labels: Mapping[str, Text] | None = None,
    linked: Callable[[Any], str] | None = None,
    **shown: Callable[[Any], Any],
) -> Section:
    """A table of rows of one model; the first column links to the row, or is what `linked` makes of it.

    `labels`: of columns that are not called as their field is. `shown`: how a column is written.
    """

    def label(name: str) -> str:
        if labels and name in labels:
            return capfirst(str(labels[name]))
        return capfirst(str(getattr(model._meta.get_field(name), "verbose_name", name)))

    def cell(row: Model, name: str) -> Any:
        if name in shown:
            return shown[name](row)
        display = getattr(row, f"get_{name}_display", None)
        return display() if display else getattr(row, name)

    def first(row: Model) -> str:
        return linked(row) if linked else link(row, cell(row, names[0]))

    cells = [[first(row), *(cell(row, name) for name in names[1:])] for row in rows]
    return Section(title, [label(name) for name in names], cells)
