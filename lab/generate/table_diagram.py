"""Writes docs/tables.md, a diagram of the tables, from the models: `python -m lab.generate.table_diagram`; `--check`
only compares.

Names are the database's; where Python calls a column otherwise, that name stands beside it. A line between two tables
is a plain id that names a row of another table. The bytes depend on the models alone.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.db.models import Model, UniqueConstraint

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tables.md"
APPS = ("goods", "stock", "orders", "messaging", "charites_common")
# Whose rows a column of that name is about.
OWNERS = {
    "room_id": "shopping_room",
    "goods_id": "shopping_goods",
    "current_goods_id": "shopping_goods",
    "order_id": "shopping_order",
    "payment_id": "shopping_payment",
    "archive_id": "shopping_order_archive",
}
COMMON = ("id", "created_at", "created_by", "updated_at", "updated_by", "version", "is_deleted")
HEAD = f"""# The tables

Written by `make gen` from the models. A line is a plain id that names a row of another table, not a foreign key
([why](adr/0009-no-foreign-keys-between-apps.md)); UK marks a unique column. The common columns are left out of the
diagram; the table below says which a table has, of {", ".join(f"`{name}`" for name in COMMON)}.

```mermaid
erDiagram
"""


def draw_table(model: type[Model]) -> Iterator[str]:
    yield f"    {model._meta.db_table} {{"
    for column in model._meta.local_concrete_fields:
        if column.column not in COMMON:
            words = [f"Python: {column.name}"] * (column.name != column.column) + ["may be NULL"] * column.null
            comment = f' "{", ".join(words)}"' if words else ""
            yield f"        {type_of(column)} {column.column}{' UK' if column.unique else ''}{comment}"
    yield "    }"


def type_of(column: Any) -> str:
    kind: str = column.get_internal_type().removesuffix("Field").removeprefix("Positive").lower()
    return f"varchar({column.max_length})" if kind == "char" else kind.replace("integer", "int")


def draw_lines(model: type[Model]) -> Iterator[str]:
    """The ids in a table that name rows of others."""
    for column in model._meta.local_concrete_fields:
        owner = OWNERS.get(str(column.column))
        # The row that an id is about is found by the same id in its own table. A primary key is no id of another row:
        # what an archived order was is gone.
        if owner and not column.primary_key and not (owner == model._meta.db_table and column.unique):
            one, many = "|o" if column.null else "||", "o|" if column.unique else "o{"
            yield f"    {owner} {one}--{many} {model._meta.db_table} : {column.column}"


def row(model: type[Model]) -> str:
    names = {column.name: column.column for column in model._meta.local_concrete_fields}
    common = [name for name in COMMON if name in names.values()]
    keys = [constraint for constraint in model._meta.constraints if isinstance(constraint, UniqueConstraint)]
    together = [f"({', '.join(f'`{names[name]}`' for name in key.fields)})" for key in keys]
    words = "all seven" if len(common) == len(COMMON) else ", ".join(f"`{name}`" for name in common)
    return f"| `{model._meta.db_table}` | `{model.__module__}.{model.__name__}` | {words} | {', '.join(together)} |\n"


def draw() -> str:
    """Returns the page."""
    models = [model for label in APPS for model in apps.get_app_config(label).get_models()]
    lines = [line for draw_part in (draw_table, draw_lines) for model in models for line in draw_part(model)]
    head = "| table | model | common columns | unique together |\n|---|---|---|---|\n"
    return HEAD + "\n".join(lines) + f"\n```\n\n{head}{''.join(row(model) for model in models)}"


def main(arguments: Sequence[str]) -> int:
    os.environ |= {"DJANGO_SETTINGS_MODULE": "charites.settings", "ENV_FILE": "", "DEBUG": "true", "DEMO": "false"}
    django.setup()
    page = draw()
    if "--check" not in arguments:
        PAGE.write_text(page)
    elif not PAGE.exists() or PAGE.read_text() != page:
        sys.exit("docs/tables.md is stale: make gen")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
