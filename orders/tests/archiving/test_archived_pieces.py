"""What buyers have in archived orders, when more is added to it: as many rows are read as are changed."""

import pytest
from django.db import connection

from charites.common.transactions import outermost
from lab.kit.plans import all_statements
from orders.history import History
from orders.models import ArchivedPieces, Order, OrderDetail
from orders.services import archiving

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

PRODUCTS, BUYERS = 200, 500
FILL = """
    INSERT INTO shopping_order_archived_pieces (goods_id, user_id, pieces, created_at, updated_at)
    SELECT goods.seq, buyers.seq, 1, NOW(6), NOW(6) FROM seq_1_to_200 goods, seq_1_to_2000 buyers
"""


def test_one_step_reads_what_its_buyers_have_of_its_products_and_nothing_else() -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL)
        cursor.execute("ANALYZE TABLE shopping_order_archived_pieces")
        cursor.fetchall()
    sold = [(1 + number % PRODUCTS, 1 + number) for number in range(BUYERS)]
    histories = [History(Order(user_id=user_id), [OrderDetail(goods_id=goods_id, num=2)]) for goods_id, user_id in sold]

    with all_statements() as sent, outermost():
        archiving.add_pieces(histories)

    assert max(statement.rows_read for statement in sent) <= 4 * BUYERS  # what is sent is a table, too
    assert ArchivedPieces.objects.filter(pieces=3).count() == BUYERS
