"""What a file would change about the products: looked at row by row with the form of the admin, before anything is."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from charites.common.spreadsheets import Line, local_time
from charites.common.text import whole
from goods import selectors
from goods.admin.file_columns import COLUMNS, ID, PRICES, TIMES
from goods.models import Goods
from goods.services import NewValues

HEADING = re.compile(r"(\w+)(?: ?\((.*)\))?")
TIME = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
MAY_BE_ZERO = ("category_id", "code", "market_price", "limit_per_buyer")  # what an empty cell makes of them
STATUSES = {status.name.lower(): str(status.value) for status in Goods.Status}

MakeForm = Callable[[Goods | None, Mapping[str, Any] | None], forms.ModelForm]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell, a row (no column), or a column (of the first line)."""

    line: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one product. `goods` is as it would be; a new one has no differences, but what is typed."""

    line: int
    goods: Goods
    is_new: bool
    differences: Sequence[Difference]
    values: Mapping[str, Any]


@dataclass(slots=True)
class Plan:
    """What the file would do; nothing, where there are faults."""

    steps: list[Step] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unchanged: int = 0

    @property
    def added(self) -> list[Goods]:
        return [step.goods for step in self.steps if step.is_new]

    @property
    def changed(self) -> list[NewValues]:
        return [
            NewValues(step.goods.goods_id, step.goods.version, step.values) for step in self.steps if not step.is_new
        ]

    @property
    def mark(self) -> str:
        """Another one, when other things would be done."""
        done = [(step.goods.goods_id, step.is_new, [*map(repr, step.differences)]) for step in self.steps]
        return hashlib.sha256(repr(done).encode()).hexdigest()


def make_plan(lines: Sequence[Line], make_form: MakeForm) -> Plan:
    """Returns what the lines of a file, the header first, would do, or all that is wrong with them."""
    header, *rows = lines
    plan = Plan()
    names = list(read_header(header, plan))
    if plan.faults:
        return plan
    wanted = {line.number: cells_of(line, names, plan) for line in rows}
    ids = {number: whole(cells.get(ID, "")) or None for number, cells in wanted.items()}
    stored = {goods.goods_id: goods for goods in selectors.list_stored(goods_ids=[*filter(None, ids.values())])}
    seen: dict[int, int] = {}
    for number, cells in wanted.items():
        goods_id = ids[number]
        goods = stored.get(goods_id or 0)
        if goods_id is None:
            plan.faults.append(Fault(number, ID, _("This is no id of a product.")))
        elif goods_id in seen:
            plan.faults.append(
                Fault(number, ID, _("This product is in line %(line)s, too.") % {"line": seen[goods_id]})
            )
        else:
            seen[goods_id] = number
            add_step(plan, number, cells, goods, make_form)
    plan.faults.sort(key=lambda fault: fault.line)
    return plan


def read_header(header: Line, plan: Plan) -> Iterator[str]:
    """Yields the columns of the file, and notes what is wrong with them. What stands in parentheses is what amounts
    and times are in: those of another currency or zone are not taken for ours."""
    zone = timezone.get_current_timezone_name()
    units = dict.fromkeys(PRICES, settings.CURRENCY) | dict.fromkeys(TIMES, zone)
    names = []
    for cell in header.cells:
        name, unit = found.groups() if (found := HEADING.fullmatch(cell)) else (cell, None)
        if name not in COLUMNS:
            plan.faults.append(Fault(header.number, cell, _("There is no such column.")))
        elif name in names:
            plan.faults.append(Fault(header.number, cell, _("This column is there twice.")))
        elif unit is not None and unit != units.get(name):
            expected = {"unit": units.get(name, "")}
            plan.faults.append(Fault(header.number, cell, _("This column is in %(unit)s here.") % expected))
        names.append(name)
        yield name
    if ID not in names:
        plan.faults.append(Fault(header.number, ID, _("This column is missing.")))


def cells_of(line: Line, names: Sequence[str], plan: Plan) -> dict[str, str]:
    if len(line.cells) > len(names):
        plan.faults.append(Fault(line.number, "", _("There are more cells than columns.")))
    return dict(zip(names, [*line.cells, *[""] * len(names)], strict=False))


def add_step(plan: Plan, line: int, cells: Mapping[str, str], goods: Goods | None, make_form: MakeForm) -> None:
    """Adds what one row would do, or what is wrong with it. Deleted products are in files that were exported: there
    they may stay, as long as nothing is to become of them."""
    before = dict(typed_values(make_form(goods, None)))
    after = before | dict(typed_cells(cells))
    form = make_form(goods, after)
    names = [name for name in form.changed_data if name != ID]
    if goods and not names:
        plan.unchanged += 1
        return
    if goods and goods.is_deleted:
        plan.faults.append(Fault(line, ID, _("This product is deleted.")))
        return
    if not form.is_valid():
        plan.faults += [
            Fault(line, "" if name == NON_FIELD_ERRORS else name, reason)
            for name, errors in form.errors.as_data().items()
            for reason in reasons_of(name, errors)
        ]
        return
    shown = [Difference(name, shown_of(before, name) if goods else "", shown_of(after, name)) for name in names]
    if goods is None and "status" not in names:  # whether it can be bought at once
        shown.insert(0, Difference("status", "", shown_of(after, "status")))
    values = {name: form.cleaned_data[name] for name in names}
    plan.steps.append(Step(line, form.instance, goods is None, shown, values))


def reasons_of(name: str, errors: Sequence[ValidationError]) -> Iterator[str]:
    """What is wrong with a cell, in words that say how it would be right."""
    for error in errors:
        if name == "status":
            yield _("It has to be one of these: %(words)s.") % {"words": ", ".join(STATUSES)}
        elif name in TIMES and error.code:  # what is said of its year, or of both times, has none
            yield _("Type a time such as %(example)s.") % {"example": "2026-06-01 20:00:00"}
        else:
            yield from map(str, error.messages)


def typed_values(form: forms.ModelForm) -> Iterator[tuple[str, str]]:
    """What stands in the fields of a form that nobody has typed into."""
    for name in form.fields:
        value = form[name].initial if name in TIMES else form[name].value()
        if name in TIMES:
            yield from typed_time(name, f"{local_time(value)}" if value else "")
        else:
            yield name, "" if value is None else str(value)


def typed_cells(cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The same of the cells of a row."""
    for name, text in cells.items():
        if name in TIMES:
            yield from typed_time(name, text)
        elif name in MAY_BE_ZERO:
            yield name, text or "0"
        else:
            yield name, STATUSES.get(text, text) if name == "status" else text


def typed_time(name: str, text: str) -> Iterator[tuple[str, str]]:
    """A time is typed into two fields. Spreadsheets write it with other marks, and without what is 0; the orders of
    days and months that a language has besides are not guessed."""
    if found := TIME.fullmatch(text):
        year, _mark, month, day, hour, minute, second = found.groups(default="00")
        yield f"{name}_0", f"{year}-{month:0>2}-{day:0>2}"
        yield f"{name}_1", f"{hour:0>2}:{minute}:{second}"
    else:
        yield f"{name}_0", text
        yield f"{name}_1", ""


def shown_of(typed: Mapping[str, str], name: str) -> str:
    if name in TIMES:
        return f"{typed[f'{name}_0']} {typed[f'{name}_1']}".strip()
    words = {value: word for word, value in STATUSES.items()}
    return words.get(typed[name], typed[name]) if name == "status" else typed[name]
