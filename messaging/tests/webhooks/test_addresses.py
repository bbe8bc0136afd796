"""Where no call goes: private networks, in whatever clothes, unless the setting allows them."""

import socket
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from django.utils import timezone, translation

from charites.common.errors import Invalid
from lab.kit.receiver import Receiver
from messaging.models import WebhookDelivery
from messaging.tests.webhooks.told import add, happen, tell
from messaging.webhooks import addresses, sending
from messaging.webhooks.addresses import NotAllowed, check, check_url

PRIVATE_NETWORK = "%s is in a private network: name that in WEBHOOK_PRIVATE_NETWORKS if it is yours"
PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.5", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.5", "64:ff9b::7f00:1", "64:ff9b::10.0.0.5", "2002:7f00:1::", "2002:a00:5::1"),
    *("fec0::1", "3fff::1", "2001:470:1::5efe:127.0.0.1", "168.63.129.16"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    with pytest.raises(NotAllowed):
        check([address], is_secure=True)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_public_address_is_called_over_https_alone(address: str) -> None:
    assert check([address], is_secure=True) == [address]
    with pytest.raises(NotAllowed, match="https"):
        check([address], is_secure=False)


def test_one_private_address_among_public_ones_refuses_all() -> None:
    with pytest.raises(NotAllowed, match=r"10\.0\.0\.5"):
        check(["93.184.216.34", "10.0.0.5"], is_secure=True)


def test_networks_of_the_setting_are_called_and_no_others(settings) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = ["10.0.0.0/8"]

    assert check(["10.0.0.5"], is_secure=False) == ["10.0.0.5"]
    with pytest.raises(NotAllowed):
        check(["127.0.0.1"], is_secure=True)


@pytest.mark.django_db(transaction=True)
def test_name_that_means_this_machine_is_not_called(receiver: Receiver, settings) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    endpoint = add(receiver.url.replace("http://127.0.0.1", "https://localhost"))
    happen("order.placed", "1")

    assert tell(endpoint) == 0

    assert receiver.received == []
    assert WebhookDelivery.objects.get().last_error == PRIVATE_NETWORK % "127.0.0.1"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "0177.0.0.1", "127.1", "0x7f.1"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_number_that_means_this_machine_is_refused_at_the_call_at_the_latest(
    receiver: Receiver, settings, scheme: str, host: str
) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    try:
        endpoint = add(receiver.url.replace("http://127.0.0.1", f"{scheme}://{host}"))
    except Invalid:
        return
    happen("order.placed", "1")

    assert tell(endpoint) == 0

    assert receiver.received == []
    assert WebhookDelivery.objects.get().last_error == PRIVATE_NETWORK % "127.0.0.1"


def test_address_in_a_private_network_is_refused_in_the_words_of_a_delivery() -> None:
    with pytest.raises(Invalid) as refused:
        check_url("https://192.168.0.3/")

    assert refused.value.message == "url: " + PRIVATE_NETWORK % "192.168.0.3"


def test_words_of_what_is_not_called_are_in_the_language_of_who_names_it() -> None:
    with pytest.raises(Invalid) as refused:
        check_url("http://93.184.216.34/")

    with translation.override("zh-hans"):
        assert "https://" in refused.value.message
        assert "is in none" not in refused.value.message


@pytest.mark.django_db(transaction=True)
def test_name_is_looked_at_with_every_call(receiver: Receiver, settings, monkeypatch) -> None:
    """What it meant when the endpoint was added says nothing."""
    meanings = [["127.0.0.1"], ["127.0.0.1", "10.0.0.5"]]

    async def resolve(host: str, port: int) -> list[str]:
        return meanings.pop(0)

    monkeypatch.setattr(addresses, "resolve", resolve)
    endpoint = add(receiver.url.replace("127.0.0.1", "shop.example"))
    for key in ("1", "2"):
        happen("order.placed", key)
        tell(endpoint, now=timezone.now())

    assert receiver.events() == [("order.placed", "1")]
    assert "10.0.0.5" in WebhookDelivery.objects.get(key="2").last_error


@pytest.mark.django_db(transaction=True)
def test_next_address_is_called_where_the_first_one_does_not_listen(receiver: Receiver, monkeypatch) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    monkeypatch.setattr(addresses, "resolve", resolve)
    endpoint = add(receiver.url.replace("127.0.0.1", "shop.example"))
    happen("order.placed", "1")

    assert tell(endpoint) == 1


@pytest.mark.django_db(transaction=True)
def test_next_address_is_called_where_the_first_one_says_nothing(receiver: Receiver, monkeypatch) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    monkeypatch.setattr(addresses, "resolve", resolve)
    monkeypatch.setattr(addresses, "CONNECT_SECONDS", 0.2)
    port = urlsplit(receiver.url).port
    with ExitStack() as taken:
        taken.enter_context(socket.create_server(("127.0.0.2", port), backlog=0))
        taken.enter_context(socket.create_connection(("127.0.0.2", port)))  # whoever comes now is not heard
        endpoint = add(receiver.url.replace("127.0.0.1", "shop.example"))
        happen("order.placed", "1")

        assert tell(endpoint) == 1


@pytest.mark.django_db(transaction=True)
def test_name_server_that_is_silent_holds_up_nobody_longer_than_a_call(monkeypatch) -> None:
    monkeypatch.setattr(sending, "CALL_SECONDS", 0.3)
    over, is_waited_for = threading.Event(), []

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        is_waited_for.append(not over.wait(30))
        raise OSError

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    endpoint = add("https://shop.example/")
    happen("order.placed", "1")

    assert tell(endpoint) == 0

    assert is_waited_for == []
    over.set()
    assert "no answer" in WebhookDelivery.objects.get().last_error


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "ftp://shop.example/",
        "https://",
        "HTTPS://shop.example/",
        "https://user:password@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:0/",
        "https://shop.example:70000/",
        "https://shop.example/a b",
        "https://shop.example/\n",
        "https://127.0.0.1/",
        "https://[::1]/",
        "http://93.184.216.34/",
        "https://shop.example/" + "x" * 2048,
    ],
)
def test_address_that_no_endpoint_can_have_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        add(url)

    assert refused.value.details["field"] == "url"
