"""Draws the tables from the models into docs/tables.svg: `python -m lab.generate.draw_tables`; `--check` only compares.

Names are the database's; where Python calls a column otherwise, that name stands beside it. The tables stand in lanes,
from left to right. An arrow is a plain id that names a row of another table: it leaves its row for the gutter beside
the lane, where all arrows to one table share a track. The bytes depend on the models alone.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import django
from django.apps import apps
from django.db.models import Model, UniqueConstraint

ROOT = Path(__file__).resolve().parents[2]
DRAWING = ROOT / "docs" / "tables.svg"

# The lanes: in each, from top to bottom, groups of one app's tables; an app that goes on in the next lane keeps its
# panel. A test expects every table of ours to be in one.
GROUPS = (
    (
        ("goods", ("Room", "RoomGoods", "Goods")),
        ("charites_common", ("Node",)),
    ),
    (
        ("stock", ("Stock", "StockRecord", "StockAdjustment")),
        ("messaging", ("Message",)),
    ),
    (("orders", ("Order", "OrderDetail")),),
    (("orders", ("Payment", "Refund", "SandboxPayment")),),
)
TITLES = {"charites_common": "charites.common"}
# Whose rows a column of that name is about: the arrows.
OWNERS = {
    "room_id": ("shopping_room", "room_id"),
    "goods_id": ("shopping_goods", "goods_id"),
    "current_goods_id": ("shopping_goods", "goods_id"),
    "order_id": ("shopping_order", "order_id"),
    "payment_id": ("shopping_payment", "payment_id"),
}
COLOURS = {
    "shopping_room": "room",
    "shopping_goods": "goods",
    "shopping_order": "order",
    "shopping_payment": "payment",
}
COMMON = ("id", "created_at", "created_by", "updated_at", "updated_by", "version", "is_deleted")
TYPES = {
    "BigAutoField": "bigint",
    "BigIntegerField": "bigint",
    "BooleanField": "bool",
    "DateTimeField": "datetime",
    "JSONField": "json",
    "PositiveIntegerField": "int",
    "PositiveSmallIntegerField": "smallint",
    "SmallIntegerField": "smallint",
}

CHARACTER, SMALL = 7.25, 6.7  # the width of one in the monospaced font, generously
ROW, HEADER, FOOT = 20, 34, 18
PADDING, TABLE_GAP, GROUP_GAP, TITLE = 14, 16, 26, 34
MARGIN, GUTTER, TRACK = 22, 64, 12
TOP = 112  # the heading, and the channel in which arrows pass over a lane

STYLE = """
:root{--page:#fbfaf8;--group:#f1eee9;--edge:#d9d4cb;--card:#fff;--head:#2f3540;--on-head:#fff;--soft-head:#c9ced8;
--ink:#22262e;--soft:#6d7380;--line:#eeebe5;--room:#b45f06;--goods:#1f7a4d;--order:#1f5fbf;--payment:#8b3fb0}
@media (prefers-color-scheme:dark){:root{--page:#15181d;--group:#1d2127;--edge:#343b45;--card:#232830;--head:#3a4352;
--on-head:#f4f6f9;--soft-head:#b4bdcb;--ink:#e6e9ee;--soft:#98a1af;--line:#2e353f;--room:#f0a35a;--goods:#5fcf95;
--order:#74aefc;--payment:#d493f5}}
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
.sans,.title,.class{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.big{font-size:20px;font-weight:600}.title{font-size:14px;font-weight:600}.bold{font-weight:600}
.soft{fill:var(--soft)}.small{font-size:11px}.name{fill:var(--on-head);font-weight:600}
.class{fill:var(--soft-head);font-size:11px}.end{text-anchor:end}
.page{fill:var(--page)}.group{fill:var(--group);stroke:var(--edge)}.card{fill:var(--card);stroke:var(--edge)}
.head{fill:var(--head)}.rule{stroke:var(--line)}
.arrow{fill:none;stroke-width:1.6;stroke-linecap:square}
.room{--c:var(--room)}.goods{--c:var(--goods)}.order{--c:var(--order)}.payment{--c:var(--payment)}
.arrow{stroke:var(--c)}.dot,.tip,.id{fill:var(--c)}
"""


# What is drawn


@dataclass(frozen=True)
class Table:
    """One table with its place; `y` is the top, `x` the left edge."""

    model: type[Model]
    x: float
    y: float
    width: float

    @property
    def name(self) -> str:
        return self.model._meta.db_table

    @cached_property
    def columns(self) -> list[Any]:
        return own_columns(self.model)

    @property
    def feet(self) -> list[str]:
        return feet(self.model)

    @property
    def height(self) -> float:
        return height(self.model)

    def row_y(self, column: str) -> float:
        """The middle of a column's row."""
        index = [own.column for own in self.columns].index(column)
        return self.y + HEADER + ROW * index + ROW / 2 + 3


def own_columns(model: type[Model]) -> list[Any]:
    """The columns that a table does not share with the others."""
    fields = list(model._meta.local_concrete_fields)
    return [own for own in fields if own.column not in COMMON]


def common_columns(model: type[Model]) -> list[str]:
    names = {own.column for own in model._meta.local_concrete_fields}
    return [name for name in COMMON if name in names]


def unique_together(model: type[Model]) -> list[tuple[str, ...]]:
    """The unique keys of more than one column, by the columns' names."""
    found = [c for c in model._meta.constraints if isinstance(c, UniqueConstraint)]
    columns = {own.name: own.column for own in model._meta.local_concrete_fields}
    return [tuple(str(columns[name]) for name in constraint.fields) for constraint in found]


def feet(model: type[Model]) -> list[str]:
    """The lines below the columns."""
    lines = [f"unique ({', '.join(key)})" for key in unique_together(model)]
    common = common_columns(model)
    if common == list(COMMON):
        return [*lines, "+ 7 common columns"]
    return [*lines, f"+ {', '.join(common)}"] if common else lines


def height(model: type[Model]) -> float:
    return HEADER + ROW * len(own_columns(model)) + FOOT * len(feet(model)) + 16


def type_of(column: Any) -> str:
    """What a column holds, in few letters; `?` where it may be NULL."""
    kind = column.get_internal_type()
    name = f"varchar {column.max_length}" if kind == "CharField" else TYPES[kind]
    return name + ("?" if column.null else "")


def words_of(column: Any) -> str:
    """A column's name, and Python's where that is another."""
    return column.column if column.name == column.column else f"{column.column} · {column.name}"


def width_of(models: Iterable[type[Model]]) -> float:
    """How wide the tables of a lane have to be for their longest line."""
    widths = [200.0]
    for model in models:
        widths.append(len(model._meta.db_table) * CHARACTER + len(model.__name__) * SMALL + 16)
        widths += [len(words_of(own)) * CHARACTER + len(type_of(own)) * SMALL + 28 for own in own_columns(model)]
        widths += [len(line) * SMALL for line in feet(model)]
    return round(max(widths) + 2 * 12)


# Where it goes


class Group(NamedTuple):
    """The panel around one app's tables in one lane."""

    title: str
    x: float
    y: float
    width: float
    height: float


@dataclass
class Layout:
    tables: dict[str, Table] = field(default_factory=dict)
    lanes: dict[str, int] = field(default_factory=dict)  # table -> lane
    groups: list[Group] = field(default_factory=list)
    edges: list[tuple[float, float]] = field(default_factory=list)  # left and right of each lane
    width: float = 0
    height: float = 0


def lay_out() -> Layout:
    """Puts the tables into their lanes."""
    layout, x = Layout(), float(MARGIN)
    for lane, groups in enumerate(GROUPS):
        width = width_of(apps.get_model(label, name) for label, names in groups for name in names)
        y = float(TOP)
        for label, names in groups:
            top = y
            y += TITLE
            for name in names:
                table = Table(apps.get_model(label, name), x + PADDING, y, width)
                layout.tables[table.name], layout.lanes[table.name] = table, lane
                y += table.height + TABLE_GAP
            y += PADDING - TABLE_GAP
            add_group(layout, Group(TITLES.get(label, label), x, top, width + 2 * PADDING, y - top))
            y += GROUP_GAP
        layout.edges.append((x, x + width + 2 * PADDING))
        layout.height = max(layout.height, y - GROUP_GAP + MARGIN)
        x += width + 2 * PADDING + GUTTER
    layout.width = x - GUTTER + MARGIN
    return layout


def add_group(layout: Layout, group: Group) -> None:
    """Adds a panel, or widens the one of the same app in the lane before."""
    last = layout.groups[-1] if layout.groups else None
    if last and last.title == group.title:
        layout.groups[-1] = last._replace(width=group.x + group.width - last.x, height=max(last.height, group.height))
        return
    layout.groups.append(group)


class Link(NamedTuple):
    """A column that names a row of another table."""

    source: str
    column: str
    target: str
    key: str


def links(layout: Layout) -> list[Link]:
    """All arrows, in the order of the tables."""
    return [
        Link(table.name, own.column, *OWNERS[own.column])
        for table in layout.tables.values()
        for own in table.columns
        if own.column in OWNERS and OWNERS[own.column] != (table.name, own.column)
    ]


def gutter_of(layout: Layout, link: Link) -> int:
    """The gutter in which an arrow reaches its target: gutter n is to the right of lane n."""
    source, target = layout.lanes[link.source], layout.lanes[link.target]
    if source == target:
        return max(0, target - 1)
    return target if source > target else target - 1


def source_gutter(layout: Layout, link: Link) -> int:
    """The gutter into which an arrow leaves its row."""
    source, target = layout.lanes[link.source], layout.lanes[link.target]
    if source == target:
        return gutter_of(layout, link)
    return source - 1 if source > target else source


@dataclass
class Tracks:
    """Which place an arrow's target has in each gutter, and in the channel above the lanes."""

    layout: Layout
    links: list[Link]

    def x(self, gutter: int, target: str) -> float:
        passing = [link.target for link in self.links if gutter in ends(self.layout, link)]
        names = list(dict.fromkeys(name for name in COLOURS if name in passing))
        left = self.layout.edges[gutter][1]
        middle = left + GUTTER / 2 - TRACK * (len(names) - 1) / 2
        return middle + TRACK * names.index(target)

    def channel_y(self, target: str) -> float:
        return TOP - 14 - 10 * list(COLOURS).index(target)


def ends(layout: Layout, link: Link) -> tuple[int, int]:
    return source_gutter(layout, link), gutter_of(layout, link)


def side_x(layout: Layout, table: str, gutter: int) -> float:
    """The edge of a table that looks at a gutter."""
    place = layout.tables[table]
    return place.x + place.width if gutter == layout.lanes[table] else place.x


# The drawing


def draw() -> str:
    """Returns the drawing."""
    layout = lay_out()
    width, height = f"{layout.width:g}", f"{layout.height:g}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="The tables of charites">',
        f"<style>{STYLE}</style>",
        '<rect class="page" width="100%" height="100%"/>',
        *draw_heading(),
        *(line for group in layout.groups for line in draw_group(group)),
        *draw_arrows(layout),
        *(line for table in layout.tables.values() for line in draw_table(table)),
        *draw_tips(layout),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def text(x: float, y: float, words: str, *classes: str) -> str:
    style = f' class="{" ".join(classes)}"' if classes else ""
    return f'<text x="{x:g}" y="{y:g}"{style}>{escape(words)}</text>'


def draw_heading() -> Iterator[str]:
    yield text(MARGIN, 40, "The tables", "sans", "big")
    yield text(160, 31, "Arrows are plain ids that name a row of another table, not foreign keys.", "sans", "soft")
    signs = "● unique \u2002 ? may be NULL \u2002 num · available: the name in Python"
    yield text(160, 50, f"{signs} \u2002 common columns: {', '.join(COMMON)}", "sans", "soft")


def draw_group(group: Group) -> Iterator[str]:
    box = f'x="{group.x:g}" y="{group.y:g}" width="{group.width:g}" height="{group.height:g}"'
    yield f'<rect class="group" {box} rx="10"/>'
    yield text(group.x + PADDING, group.y + 23, group.title, "title")


def draw_table(table: Table) -> Iterator[str]:
    x, y, right = table.x, table.y, table.x + table.width
    box = f'x="{x:g}" y="{y:g}" width="{table.width:g}"'
    yield f'<rect class="card" {box} height="{table.height:g}" rx="6"/>'
    yield f'<path class="head" d="M{x:g} {y + 26:g}v-20a6 6 0 0 1 6-6h{table.width - 12:g}a6 6 0 0 1 6 6v20z"/>'
    yield text(x + 12, y + 17.5, table.name, "name")
    yield text(right - 12, y + 17.5, table.model.__name__, "class", "end")
    for index, own in enumerate(table.columns):
        yield from draw_column(table, own, y + HEADER + ROW * index + ROW / 2 + 7)
    base = y + HEADER + ROW * len(table.columns) + 6
    if table.feet:
        yield f'<path class="rule" d="M{x + 1:g} {base:g}H{right - 1:g}"/>'
    for index, words in enumerate(table.feet):
        yield text(x + 12, base + FOOT * index + 15, words, "soft", "small")


def draw_column(table: Table, own: Any, y: float) -> Iterator[str]:
    owner = OWNERS.get(own.column)
    colour = [COLOURS[owner[0]], "id"] if owner else []
    is_key = own.unique
    if is_key:
        yield text(table.x + 11, y, "●", "small", *colour)
    yield text(table.x + 25, y, own.column, *colour, *(["bold"] if is_key else []))
    if own.name != own.column:
        yield text(table.x + 25 + (len(own.column) + 0.6) * CHARACTER, y, f"· {own.name}", "soft")
    yield text(table.x + table.width - 12, y, type_of(own), "soft", "small", "end")


def draw_arrows(layout: Layout) -> Iterator[str]:
    """The lines, without their tips. What several arrows share is drawn once."""
    found = links(layout)
    tracks = Tracks(layout, found)
    lines = sorted({line for link in found for line in flat_lines(layout, tracks, link)})
    heights = touched(layout, tracks, found)
    lines += [(x, min(ys), x, max(ys), target) for (x, target), ys in sorted(heights.items())]
    for x1, y1, x2, y2, target in lines:
        yield f'<path class="arrow {COLOURS[target]}" d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/>'
    for (x, target), ys in sorted(heights.items()):
        for y in sorted(set(ys) - {min(ys), max(ys)}):
            yield f'<circle class="dot {COLOURS[target]}" cx="{x:g}" cy="{y:g}" r="3"/>'


def flat_lines(layout: Layout, tracks: Tracks, link: Link) -> Iterator[tuple[float, float, float, float, str]]:
    """The level parts of an arrow: from its row to a track, over the lanes between, from a track to its target."""
    (leaves, arrives), target = ends(layout, link), link.target
    start, end = layout.tables[link.source].row_y(link.column), layout.tables[target].row_y(link.key)
    yield side_x(layout, link.source, leaves), start, tracks.x(leaves, target), start, target
    if leaves != arrives:
        over = tracks.channel_y(target)
        yield tracks.x(arrives, target), over, tracks.x(leaves, target), over, target
    yield side_x(layout, target, arrives), end, tracks.x(arrives, target), end, target


def touched(layout: Layout, tracks: Tracks, found: Sequence[Link]) -> dict[tuple[float, str], list[float]]:
    """At which heights lines join each track, by the track's x and its target."""
    heights: dict[tuple[float, str], list[float]] = defaultdict(list)
    for link in found:
        (leaves, arrives), target = ends(layout, link), link.target
        heights[tracks.x(leaves, target), target].append(layout.tables[link.source].row_y(link.column))
        heights[tracks.x(arrives, target), target].append(layout.tables[target].row_y(link.key))
        if leaves != arrives:
            over = tracks.channel_y(target)
            heights[tracks.x(leaves, target), target].append(over)
            heights[tracks.x(arrives, target), target].append(over)
    return heights


def draw_tips(layout: Layout) -> Iterator[str]:
    """The arrowheads, one for each side on which a table is reached."""
    found = links(layout)
    for target, key, gutter in sorted({(link.target, link.key, gutter_of(layout, link)) for link in found}):
        x, y = side_x(layout, target, gutter), layout.tables[target].row_y(key)
        back = 9 if gutter == layout.lanes[target] else -9
        yield f'<path class="tip {COLOURS[target]}" d="M{x:g} {y:g}l{back} -5v10z"/>'


def main(arguments: Sequence[str]) -> int:
    os.environ |= {"DJANGO_SETTINGS_MODULE": "charites.settings", "ENV_FILE": "", "DEBUG": "true", "DEMO": "false"}
    django.setup()
    drawing = draw()
    if "--check" in arguments:
        stale = not DRAWING.exists() or DRAWING.read_text() != drawing
        if stale:
            print("docs/tables.svg is stale: make gen")
        return int(stale)
    DRAWING.write_text(drawing)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
