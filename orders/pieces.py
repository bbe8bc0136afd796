"""How many pieces of a product a buyer has, as rows that are added to: those that are counted against a limit, and
those of archived orders."""

from collections.abc import Collection, Mapping
from typing import Final

from django.db import IntegrityError

from charites.common.rows import Columns, SetStatement, SetUpdate
from charites.common.transactions import Stale, expect_rows

Share = tuple[int, int]  # goods_id, user_id

SHARE: Final[Columns] = {"of_goods": "number", "of_user": "number"}


class Pieces:
    """A table with a row for each share that there ever was."""

    def __init__(self, table: str) -> None:
        index = f"{table}_unique"
        more: Columns = {**SHARE, "more": "number"}
        self._find = SetStatement(
            f"""
            SELECT held.goods_id, held.user_id, held.pieces
            FROM {{sent}}
            {{then}} {table} AS held {{by[{index}]}}
                ON held.goods_id = sent.of_goods AND held.user_id = sent.of_user
            {{lock}}
            """,
            sent=SHARE,
        )
        self._insert = SetStatement(
            f"""
            INSERT INTO {table} (goods_id, user_id, pieces, created_at, updated_at)
            SELECT of_goods, of_user, more, {{now}}, {{now}} FROM {{sent}}
            """,
            sent=more,
        )
        self._change = SetUpdate(
            table,
            "pieces = pieces + more, updated_at = {now}",
            on="goods_id = of_goods AND user_id = of_user",
            still="pieces + more >= 0",
            by=index,
            sent=more,
        )

    def find(self, shares: Collection[Share]) -> dict[Share, int]:
        """Locks the rows of these shares, and returns their pieces; those without a row are left out."""
        found = self._find.select(sorted(shares)) if shares else []
        return {(goods_id, user_id): pieces for goods_id, user_id, pieces in found}

    def add(self, pieces: Mapping[Share, int], *, known: Collection[Share]) -> None:
        """Adds to the rows that `find` has locked, and inserts the others. Raises Stale where one of these has come
        meanwhile."""
        rows = [(*share, number) for share, number in sorted(pieces.items())]
        there = [row for row in rows if row[:2] in known]
        if there:
            expect_rows(self._change.run(there), len(there))
        try:
            self._insert.insert([row for row in rows if row[:2] not in known])
        except IntegrityError as error:
            raise Stale("pieces of a buyer") from error


ALLOWANCES = Pieces("shopping_order_allowance")
ARCHIVED = Pieces("shopping_order_archived_pieces")
