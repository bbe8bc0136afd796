"""Columns of rows that somebody typed."""

from collections.abc import Mapping
from typing import Any

from django.db import models

from charites.common.models import MAX_INT64
from charites.common.text import TextRule, check_json, check_texts, tidy


def typed_columns(model: type[models.Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns columns, the texts among them tidied. Raises Invalid, which names every text that is wrong."""
    columns, typed = dict(values), []
    for name, value in values.items():
        column = model._meta.get_field(name)
        if isinstance(column, models.JSONField):
            check_json(name, value)
        elif isinstance(column, models.CharField) and not column.choices:
            columns[name] = tidy(value)
            if value or not column.blank:
                typed.append((TextRule(name, column.max_length or MAX_INT64), columns[name]))
    check_texts(*typed)
    return columns


def tidy_row(row: models.Model) -> None:
    """Tidies the texts of a row that is about to be stored. Raises Invalid."""
    names = [column.attname for column in row._meta.concrete_fields]
    for name, value in typed_columns(type(row), {name: getattr(row, name) for name in names}).items():
        setattr(row, name, value)
