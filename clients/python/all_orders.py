"""Prints all orders of a user, page by page: `python all_orders.py http://127.0.0.1:8000 buyer PASSWORD`."""

import sys
from urllib.parse import parse_qs, urlsplit

from buy import known
from charites_client import AuthenticatedClient, Client
from charites_client.api.auth import sign_in
from charites_client.api.orders import list_orders
from charites_client.models import SignIn


def turn(address):
    """What asks for a page beside this one: `before` or `after`, out of this one's `next_` or `previous`."""
    query = parse_qs(urlsplit(address).query)
    return {name: query[name][0] for name in ("before", "after") if name in query}


def each_order(client, **wanted):
    """Yields the orders, newest first; a page may be short, or empty, and not be the last."""
    place = {}
    while place is not None:
        page = known(list_orders.sync(client=client, **wanted, **place))
        yield from page.orders
        place = turn(page.next_) if page.next_ else None


def main(shop: str, username: str, password: str) -> None:
    tokens = known(sign_in.sync(client=Client(shop), body=SignIn(username, password)))
    with AuthenticatedClient(shop, tokens.access) as client:
        for order in each_order(client, limit=2):
            print(f"order {order.order_id}: {order.status_label}, {order.pay_amount} cents")


if __name__ == "__main__":
    main(*sys.argv[1:])
