from collections.abc import Iterator

import pytest
from django.utils import timezone

from lab.kit.factories import make_goods, make_order
from lab.kit.stripe_api import StripeApi
from orders.models import Order


@pytest.fixture
def api(settings) -> Iterator[StripeApi]:
    """Stripe's stand-in, which is the provider in charge."""
    with StripeApi() as api:
        for name, value in api.environment.items():
            setattr(settings, name, value)
        yield api


@pytest.fixture
def order(api: StripeApi) -> Order:
    make_goods(1, stock=10)
    return make_order({1: 2}, now=timezone.now())
