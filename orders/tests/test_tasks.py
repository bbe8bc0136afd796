import pytest
from django.utils import timezone

from lab.kit.factories import counts, later, make_goods, make_order, stored
from orders.models import Order
from orders.services import TIMEOUT_TASK
from orders.tasks import close_due

pytestmark = pytest.mark.django_db


def test_task_closes_what_is_overdue_now():
    make_goods(1, stock=5)
    overdue = make_order(now=later(-7 * 86_400, timezone.now()))
    young = make_order(now=timezone.now())

    assert close_due(slot=1) == 1

    assert (stored(overdue).status, stored(young).status) == (Order.Status.CLOSED, Order.Status.UNPAID)
    assert counts(1) == (4, 1, 0)


def test_task_run_twice_has_no_further_effect():
    make_goods(1, stock=5)
    make_order(now=later(-7 * 86_400, timezone.now()))
    close_due(slot=1)

    assert close_due(slot=1) == 0

    assert counts(1) == (5, 0, 0)


def test_task_takes_what_older_and_newer_code_sends():
    assert close_due.name == TIMEOUT_TASK == "shopping_order_pay_timeout"
    assert close_due() == 0
    assert close_due(slot=1, something_new="x") == 0
