"""What a delivery would do, and what is wrong with it: looked at before anything is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from charites.common.admin_products import Product, knows_products, product_link, products_of
from charites.common.spreadsheets import Unreadable, read_table
from charites.common.text import whole
from stock import selectors

MOST_LINES = 200  # rows that are locked together
COLUMNS = ("goods_id", "pieces")


@dataclass(frozen=True, slots=True)
class Fault:
    """`place`: where its line stands among all."""

    line: str
    reason: str
    place: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one product; `before` is None where it is not counted yet."""

    goods_id: int
    product: Product | None
    pieces: int
    before: int | None

    @property
    def title(self) -> str:
        return titled(self.product)

    @property
    def after(self) -> int:
        return (self.before or 0) + self.pieces


@dataclass(slots=True)
class Plan:
    """What would be done; nothing, where there are faults."""

    steps: list[Step] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def lines(self) -> str:
        """As they could have been typed."""
        return "\n".join(f"{step.goods_id} {step.pieces}" for step in self.steps)

    def mark(self, *, reason: str, key: str) -> str:
        """Another one for other pieces, another reason or another key; nobody else makes one."""
        return salted_hmac("stock.receive", json.dumps([self.lines, reason, key])).hexdigest()

    @property
    def pieces(self) -> int:
        return sum(step.pieces for step in self.steps)


def titled(product: Product | None) -> str:
    """The title of a product, which leads to it; nothing, where it is not known here."""
    return product_link(product, product.title) if product else ""


def words_of(file: Any) -> Iterator[tuple[str, Sequence[str]]]:
    """The lines of a file: of one with a header the two columns; of one without, and of a line that is longer than the
    header, all that stands there. Raises Unreadable."""
    header, *lines = read_table(file.read(), most=MOST_LINES)
    if set(COLUMNS) <= set(header.cells):
        if twice := [name for name in COLUMNS if header.cells.count(name) > 1]:
            raise Unreadable(_("The column %(column)s is there twice.") % {"column": twice[0]})
        places = [header.cells.index(name) for name in COLUMNS]
        for line in lines:
            cells = [*line.cells, *[""] * len(header.cells)]
            is_wider = len(line.cells) > len(header.cells)
            yield str(line.number), line.cells if is_wider else [cells[place] for place in places]
    elif all(whole(cell) is not None for cell in header.cells):
        yield from ((str(line.number), line.cells) for line in (header, *lines))
    else:
        raise Unreadable(_("The first line of the file has to name the columns goods_id and pieces."))


def make_plan(typed: Sequence[tuple[str, Sequence[str]]], *, may_add: bool) -> Plan:
    """Returns what these lines would do, or all that is wrong with them."""
    plan = Plan()
    if len(typed) > MOST_LINES:
        plan.faults.append(Fault("", _("There are more than %(most)s rows.") % {"most": MOST_LINES}))
        return plan
    read: dict[int, tuple[int, str, int]] = {}
    for place, (line, words) in enumerate(typed):
        if len(words) != len(COLUMNS) or not all(whole(word) for word in words):
            text = _("“%(text)s” is not a product and its pieces.")
            plan.faults.append(Fault(line, text % {"text": " ".join(words)}, place))
        elif (goods_id := int(words[0])) in read:
            faulty = {"goods_id": goods_id, "line": read[goods_id][1]}
            plan.faults.append(Fault(line, _("Product %(goods_id)s is in line %(line)s, too.") % faulty, place))
        else:
            read[goods_id] = (place, line, int(words[1]))
    products = products_of(read)
    counted = {stock.goods_id: stock.available for stock in selectors.list_stock(goods_ids=list(read))}
    for goods_id, (place, line, pieces) in read.items():
        if goods_id not in counted and knows_products() and goods_id not in products:
            plan.faults.append(Fault(line, _("There is no product %(goods_id)s.") % {"goods_id": goods_id}, place))
        elif (product := products.get(goods_id)) and product.is_deleted:
            plan.faults.append(Fault(line, _("Product %(goods_id)s is deleted.") % {"goods_id": goods_id}, place))
        elif goods_id not in counted and not may_add:
            text = _("Product %(goods_id)s has no stock yet, and you may not add any.")
            plan.faults.append(Fault(line, text % {"goods_id": goods_id}, place))
        else:
            plan.steps.append(Step(goods_id, products.get(goods_id), pieces, counted.get(goods_id)))
    plan.faults.sort(key=lambda fault: fault.place)
    if not typed:
        plan.faults.append(Fault("", _("Type at least one line.")))
    return plan
