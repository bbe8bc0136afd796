"""Every call of a client that writes, over every door it has, for tests of what it is told when a COMMIT is lost."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from charites.tests.faults import deeds
from charites.tests.faults.deeds import Deed
from charites.tests.faults.doors import Admin, Door, Grpc, PayPage, Raw, Rest, Said
from charites.tests.faults.writing_requests import (
    add_hook,
    adjust,
    admin_add_hook,
    admin_add_to_list,
    admin_adjust,
    admin_cancel,
    admin_change_goods,
    admin_check_again,
    admin_complete,
    admin_delete_goods,
    admin_first_stock,
    admin_new_goods,
    admin_off_sale,
    admin_pin,
    admin_refund,
    admin_request_refund,
    admin_send_again,
    admin_switch_off_hook,
    admin_take_out,
    admin_unpin,
    cancel,
    complete,
    grpc_adjust,
    grpc_cancel,
    grpc_deduct,
    grpc_pay,
    grpc_place,
    grpc_request_refund,
    grpc_reserve_one,
    grpc_set,
    grpc_step,
    notify,
    pay,
    pay_on_page,
    pin,
    place,
    remove_hook,
    request_refund,
    set_through_gateway,
    set_with_key,
    set_without_key,
    switch_off_hook,
    unpin,
)


@dataclass(frozen=True)
class Call:
    """One deed through one door, and what is to be told when the COMMIT after `at` is lost while the database answers
    again at once: where it was carried out, and where it was not."""

    title: str
    door: type[Door]
    deed: Deed
    send: Callable[..., Raw]  # door, number, what was made, the last answer
    at: str
    told: tuple[Said, Said] = (Said.DONE, Said.NOTHING)
    commit: str = ""  # which one, where there are several
    looks_first: bool = False  # without a key, whoever does not know looks before asking again

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.title, self.door.name, self.commit]))


UNRESOLVED = (Said.UNKNOWN, Said.UNKNOWN)
STOCK, ADJUSTMENT = "UPDATE shopping_stock ", "INSERT INTO shopping_stock_adjustment"
BEGUN, AT_PROVIDER = "INSERT INTO shopping_payment", "INSERT INTO sandbox_payment"
CHANGED_AT_PROVIDER = "UPDATE sandbox_payment"
REFUND = "INSERT INTO shopping_refund "
HOOKS = "messaging_webhook_endpoint"
NEW_HOOK, HOOK, GONE_HOOK = f"INSERT INTO {HOOKS}", f"UPDATE {HOOKS}", f"DELETE FROM {HOOKS}"


def three_commits(title: str, door: type[Door], send: Callable[..., Raw]) -> list[Call]:
    """Cancelling an order whose payment has begun: at the provider, in the payment's row, and the order itself."""
    call = Call(title, door, deeds.CANCEL_BEGUN, send, CHANGED_AT_PROVIDER, UNRESOLVED, "closed at the provider")
    ours = replace(call, at="UPDATE shopping_payment", commit="the payment's row")
    return [call, ours, replace(call, at=STOCK, told=(Said.DONE, Said.UNKNOWN), commit="the order")]


CALLS = [
    Call("adjust, with a key", Rest, deeds.ADJUST, adjust, ADJUSTMENT),
    Call("adjust", Admin, deeds.ADJUST, admin_adjust, ADJUSTMENT),
    Call("first stock", Admin, deeds.FIRST, admin_first_stock, ADJUSTMENT),
    Call("set, with a key", Rest, deeds.SET, set_with_key, ADJUSTMENT),
    Call("set, with a key", Grpc, deeds.SET, partial(grpc_set, metadata=True), ADJUSTMENT),
    Call("set, without a key", Rest, deeds.SET, set_without_key, ADJUSTMENT, looks_first=True),
    Call("set, without a key, /v1", Rest, deeds.SET, set_through_gateway, ADJUSTMENT, looks_first=True),
    Call("set, without a key", Grpc, deeds.SET, partial(grpc_set, metadata=False), ADJUSTMENT, looks_first=True),
    Call("adjust, with a key", Grpc, deeds.ADJUST, grpc_adjust, ADJUSTMENT),
    Call("sell without an order", Grpc, deeds.DEDUCT, grpc_deduct, STOCK, looks_first=True),
    Call("reserve one product", Grpc, deeds.RESERVE, grpc_reserve_one, STOCK),
    Call("reserve", Grpc, deeds.RESERVE, partial(grpc_step, method="ReserveStock"), STOCK),
    Call("confirm", Grpc, deeds.CONFIRM, partial(grpc_step, method="ConfirmStock"), STOCK),
    Call("roll back", Grpc, deeds.ROLL_BACK, partial(grpc_step, method="RollbackStock"), STOCK),
    Call("place, with a key", Rest, deeds.PLACE, place, STOCK),
    Call("place, with a key", Grpc, deeds.PLACE, grpc_place, STOCK),
    Call("place, without a key", Rest, deeds.PLACE, partial(place, with_key=False), STOCK, looks_first=True),
    Call("pay", Rest, deeds.PAY, pay, BEGUN, commit="the payment's row"),
    Call("pay", Rest, deeds.PAY, pay, AT_PROVIDER, UNRESOLVED, "opened at the provider"),
    Call("pay", Grpc, deeds.PAY, grpc_pay, BEGUN, commit="the payment's row"),
    Call("pay", Grpc, deeds.PAY, grpc_pay, AT_PROVIDER, UNRESOLVED, "opened at the provider"),
    Call(
        "pay at once", Rest, deeds.PAY_AT_ONCE, partial(pay, outcome="now"), AT_PROVIDER, UNRESOLVED, "at the provider"
    ),
    Call(
        "pay at once",
        Grpc,
        deeds.PAY_AT_ONCE,
        partial(grpc_pay, outcome="now"),
        AT_PROVIDER,
        UNRESOLVED,
        "at the provider",
    ),
    Call("pay", PayPage, deeds.PAGE, pay_on_page, CHANGED_AT_PROVIDER, UNRESOLVED),
    Call("news of money", Rest, deeds.NOTICE, notify, STOCK),
    Call("cancel", Rest, deeds.CANCEL, cancel, STOCK),
    Call("cancel", Grpc, deeds.CANCEL, grpc_cancel, STOCK),
    Call("cancel", Admin, deeds.CANCEL, admin_cancel, STOCK),
    *three_commits("cancel, payment begun", Rest, cancel),
    *three_commits("cancel, payment begun", Grpc, grpc_cancel),
    *three_commits("cancel, payment begun", Admin, admin_cancel),
    Call("complete", Rest, deeds.COMPLETE, complete, "UPDATE shopping_order "),
    Call("complete", Admin, deeds.COMPLETE, admin_complete, "UPDATE shopping_order "),
    Call("ask for a refund", Rest, deeds.REQUEST_REFUND, request_refund, REFUND),
    Call("ask for a refund", Grpc, deeds.REQUEST_REFUND, grpc_request_refund, REFUND),
    Call("ask for a refund", Admin, deeds.REQUEST_REFUND, admin_request_refund, REFUND),
    Call("send money back", Admin, deeds.REFUND, admin_refund, "attempts + 1", commit="the lease"),
    Call("send money back", Admin, deeds.REFUND, admin_refund, CHANGED_AT_PROVIDER, UNRESOLVED, "sent by the provider"),
    Call(
        "send money back",
        Admin,
        deeds.REFUND,
        admin_refund,
        "SET status = 'done'",
        (Said.DONE, Said.UNKNOWN),
        "written down",
    ),
    Call("pin", Rest, deeds.PIN, pin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("pin", Admin, deeds.PIN, admin_pin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("unpin", Rest, deeds.CLEAR, unpin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("unpin", Admin, deeds.CLEAR, admin_unpin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call(
        "put into a room's list",
        Admin,
        deeds.ADD_TO_LIST,
        admin_add_to_list,
        "INSERT INTO shopping_room_goods",
        UNRESOLVED,
    ),
    Call("take out of a room's list", Admin, deeds.TAKE_OUT, admin_take_out, "UPDATE shopping_room_goods", UNRESOLVED),
    Call("new goods", Admin, deeds.NEW_GOODS, admin_new_goods, "INSERT INTO shopping_goods", UNRESOLVED),
    Call("change a product", Admin, deeds.CHANGE_GOODS, admin_change_goods, "UPDATE shopping_goods", UNRESOLVED),
    Call("take off sale", Admin, deeds.OFF_SALE, admin_off_sale, "UPDATE shopping_goods", UNRESOLVED),
    Call("delete a product", Admin, deeds.DELETE_GOODS, admin_delete_goods, "UPDATE shopping_goods", UNRESOLVED),
    Call(
        "send a dead message again", Admin, deeds.SEND_AGAIN, admin_send_again, "UPDATE messaging_message", UNRESOLVED
    ),
    Call(
        "check a half message again",
        Admin,
        deeds.CHECK_AGAIN,
        admin_check_again,
        "UPDATE messaging_message",
        UNRESOLVED,
    ),
    Call("add a webhook endpoint", Rest, deeds.ADD_HOOK, add_hook, NEW_HOOK, UNRESOLVED, looks_first=True),
    Call("add a webhook endpoint", Admin, deeds.ADD_HOOK, admin_add_hook, NEW_HOOK, UNRESOLVED, looks_first=True),
    Call("switch off a webhook endpoint", Rest, deeds.SWITCH_OFF_HOOK, switch_off_hook, HOOK, UNRESOLVED),
    Call("switch off a webhook endpoint", Admin, deeds.SWITCH_OFF_HOOK, admin_switch_off_hook, HOOK, UNRESOLVED),
    Call("remove a webhook endpoint", Rest, deeds.REMOVE_HOOK, remove_hook, GONE_HOOK, UNRESOLVED, looks_first=True),
]
