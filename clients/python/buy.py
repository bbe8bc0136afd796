"""Buys one piece of what is left in a live room: `python buy.py http://127.0.0.1:8000 buyer PASSWORD`."""

import sys
from uuid import uuid4

from charites_client import AuthenticatedClient, Client
from charites_client.api.auth import sign_in
from charites_client.api.orders import pay_order, place_order
from charites_client.api.rooms import get_room_state, list_rooms
from charites_client.models import Error, Item, PaymentOutcome, PayOrder, PlaceOrder, Sale, SignIn


def known(answer):
    """What was asked for; ends with the shop's own words where it says no."""
    if answer is None or isinstance(answer, Error):
        sys.exit(f"{answer.error}: {answer.message}" if answer else "no answer that the client knows")
    return answer


def first(found):
    return found[0] if found else sys.exit("nothing is for sale at this moment")


def main(shop: str, username: str, password: str) -> None:
    tokens = known(sign_in.sync(client=Client(shop), body=SignIn(username, password)))
    with AuthenticatedClient(shop, tokens.access) as client:
        room = first(known(list_rooms.sync(client=client)).rooms)
        state = known(get_room_state.sync(room.room_id, client=client))
        goods = first([goods for goods in state.goods if goods.sale is Sale.OPEN])
        wanted = PlaceOrder(
            items=[Item(goods.goods_id, quantity=1)],
            address="1 Harbour Road",
            name="Li Lei",
            phone="+86 138-0000-0000",
            room_id=room.room_id,
            expected_amount=goods.price,
        )
        key = uuid4().hex  # the same again is the same order: repeat the call with it when no answer has come
        order = known(place_order.sync(client=client, body=wanted, idempotency_key=key))
        print(f"order {order.order_id}: {goods.title}, {order.pay_amount} cents, to be paid until {order.expires_at}")
        payment = known(pay_order.sync(order.order_id, client=client, body=PayOrder(PaymentOutcome.PAGE)))
        print(f"pay it here: {payment.pay_url}")


if __name__ == "__main__":
    main(*sys.argv[1:])
