"""RabbitMQ itself: what it lets nobody lose, what it has no room for, what strangers put into it, and TLS."""

import socket
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from lab.kit import broker_queues
from lab.kit.certificates import Authority
from lab.kit.processes.shop import wait_until
from lab.servers import LOOPBACK, free_port
from lab.servers import RabbitMQ as RabbitMQServer
from messaging.broker import rabbitmq
from messaging.broker.port import BrokerAway, Delivery, Envelope, NotPublished, Unreadable
from messaging.broker.rabbitmq import RabbitMQ
from messaging.broker.wire import queue_of

pytestmark = [pytest.mark.servers, pytest.mark.django_db]

SECONDS = 60  # a bound for busy machines
services = (f"service{number}" for number in count())
ANOTHER_NAME = "127.0.0.2"  # of this machine, too, and in no certificate
ENVELOPE = Envelope("Stock.RollbackStock", "42.lease", "orders", b"request", "a signature")


class EncryptedRabbitMQ(RabbitMQServer):
    """Listens with TLS, too, with a certificate for this machine, and lets in only who shows one of the same
    authority."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.tls_port, self._authority = free_port(), authority

    def settings(self) -> str:
        own = self._authority.certificate()
        return (
            super().settings()
            + f"listeners.ssl.1 = {LOOPBACK}:{self.tls_port}\nlisteners.ssl.2 = {ANOTHER_NAME}:{self.tls_port}\n"
            + f"ssl_options.cacertfile = {self._authority.cert}\n"
            + f"ssl_options.certfile = {own.cert}\nssl_options.keyfile = {own.key}\n"
            + "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "ours")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[EncryptedRabbitMQ]:
    with EncryptedRabbitMQ(authority) as server:
        yield server


@pytest.fixture
def broker(server: EncryptedRabbitMQ, settings) -> Iterator[RabbitMQ]:
    settings.REMOTE_BROKER_URL = server.url
    broker = RabbitMQ()
    yield broker
    broker.close()


@pytest.fixture
def service(broker: RabbitMQ) -> str:
    """One with queues of its own, which are empty."""
    name = next(services)
    assert not broker.take([name], seconds=0.1)
    return name


def take(broker: RabbitMQ, service: str) -> Delivery:
    (taken,) = wait_until(lambda: look(broker, service), seconds=SECONDS, what="something has come")
    return taken


def look(broker: RabbitMQ, service: str) -> Sequence[Delivery]:
    """What has come; nothing while the broker is busy with its start."""
    try:
        return broker.take([service], seconds=1.0)
    except BrokerAway:
        return []


@pytest.mark.long
def test_confirmed_envelope_outlives_the_broker_that_is_killed(broker, service, server):
    server.stop()  # a queue that was made a moment before is not kept by a RabbitMQ 3.10 that is killed
    server.start()
    broker.close()
    broker.publish(service, ENVELOPE)
    broker.close()

    server.kill()
    server.start()

    assert take(broker, service).read() == ENVELOPE


def test_queue_that_is_full_refuses_and_nothing_is_lost_in_it(broker, monkeypatch):
    monkeypatch.setattr(rabbitmq, "QUEUE_BYTES", 2_000)
    service = next(services)
    broker.take([service], seconds=0.1)
    broker.close()  # consumes no more

    kept: list[int] = []
    with pytest.raises(NotPublished, match="is full"):
        fill(broker, service, kept)

    assert kept
    assert sorted(int(about.partition(".")[0]) for about in take_all(broker, service, len(kept))) == kept


def fill(broker: RabbitMQ, service: str, kept: list[int]) -> None:
    """Publishes, and notes what was confirmed."""
    for number in range(1_000):
        broker.publish(service, Envelope("kind", f"{number}.lease", "orders", bytes(100), "signature"))
        kept.append(number)


def take_all(broker: RabbitMQ, service: str, count: int) -> list[str]:
    """Takes until so many have come; returns what each is about."""
    found: list[str] = []

    def have_come() -> bool:
        for delivery in look(broker, service):
            found.append(delivery.read().about)
            broker.acknowledge(delivery)
        return len(found) >= count

    wait_until(have_come, seconds=SECONDS, what=f"{count} have come")
    return found


def test_consumer_has_no_more_than_it_works_on_at_once(broker, service, server):
    for number in range(3 * rabbitmq.PREFETCH):
        broker.publish(service, Envelope("kind", f"{number}.lease", "orders", b"", "signature"))

    taken = wait_until(lambda: broker.take([service], seconds=1.0), seconds=SECONDS, what="something has come")

    assert 1 <= len(taken) <= rabbitmq.PREFETCH
    assert broker_queues.depth(server.url, service) >= 2 * rabbitmq.PREFETCH


def test_queue_that_somebody_deleted_is_made_again(broker, service, server):
    broker_queues.delete(server.url, service)

    def is_there() -> bool:
        try:
            broker.take([service], seconds=0.1)
        except BrokerAway:
            return False
        return broker_queues.depth(server.url, service) is not None

    wait_until(is_there, seconds=SECONDS, what="the queue is there again")
    broker.publish(service, ENVELOPE)
    assert take(broker, service).read() == ENVELOPE


@pytest.mark.parametrize(
    ("body", "headers", "properties", "reason"),
    [
        (b"", {}, {}, "it lacks its type"),
        (b"x" * 70_000, {}, {}, "it has 70000 bytes, and may have 65536"),
        (b"\xff\x00", {"signature": 5}, {"type": "a", "correlation_id": "b", "reply_to": "c"}, "it lacks"),
        (b"x", {"signature": "s", "compression": "zlib"}, {"type": "a", "reply_to": "c"}, "it lacks"),
        (b"x", None, {"type": "a", "correlation_id": "b", "reply_to": "c"}, "it lacks"),
        (b"x", {}, {"content_encoding": "idna", "content_type": "application/x-python-serialize"}, "it lacks"),
    ],
    ids=["nothing", "too large", "headers of another kind", "says that it is packed", "no headers", "says what it is"],
)
def test_what_strangers_put_there_is_unreadable_and_is_put_aside_with_the_reason(
    broker, service, server, body, headers, properties, reason
):
    broker_queues.put(server.url, service, body, headers, **properties)
    broker_queues.put(server.url, service, b"request", {"signature": "s"}, **NAMES)
    (rubbish, good) = take_two(broker, service)

    with pytest.raises(Unreadable, match=reason) as unreadable:
        rubbish.read()
    broker.dead_letter(rubbish, str(unreadable.value))

    assert good.read().body == b"request"
    (dead,) = broker_queues.take_dead(server.url, service)
    assert (dead.headers["reason"], dead.headers["bytes"]) == (str(unreadable.value), len(body))
    assert (dead.body or b"") == body[:65_536]


@pytest.mark.parametrize("properties", broker_queues.GARBLED.values(), ids=broker_queues.GARBLED)
def test_message_whose_properties_the_client_cannot_read_is_put_aside_and_holds_up_no_other(
    broker, service, server, properties
):
    broker_queues.put_garbled(server.url, queue_of(service), b"rubbish", properties)
    broker.publish(service, ENVELOPE)
    (rubbish, good) = take_two(broker, service)

    with pytest.raises(Unreadable, match="it lacks its type") as unreadable:
        rubbish.read()
    broker.dead_letter(rubbish, str(unreadable.value))

    assert good.read() == ENVELOPE
    (dead,) = broker_queues.take_dead(server.url, service)
    assert (dead.body, dead.headers["bytes"]) == (b"rubbish", len(b"rubbish"))


NAMES = {"type": "Stock.RollbackStock", "correlation_id": "42.lease", "reply_to": "orders"}


def take_two(broker: RabbitMQ, service: str) -> list[Delivery]:
    found: list[Delivery] = []
    wait_until(
        lambda: found.extend(broker.take([service], seconds=1.0)) or len(found) == 2, seconds=SECONDS, what="both came"
    )
    return found


def test_message_whose_consumer_dies_again_and_again_is_put_aside_by_the_broker(broker, monkeypatch, server):
    monkeypatch.setattr(rabbitmq, "DELIVERIES", 2)
    service = next(services)
    broker.take([service], seconds=0.1)
    broker.publish(service, ENVELOPE)

    for _ in range(3):
        take(broker, service)
        broker.close()

    (dead,) = wait_until(lambda: broker_queues.take_dead(server.url, service), seconds=SECONDS, what="it was put aside")
    assert dead.headers["x-death"][0]["reason"] == "delivery_limit"
    assert dead.body == ENVELOPE.body


def test_dead_letters_are_bounded_and_the_oldest_go(broker, monkeypatch, server):
    monkeypatch.setattr(rabbitmq, "MOST_DEAD", 3)
    service = next(services)
    broker.take([service], seconds=0.1)
    for number in range(5):
        broker_queues.put(server.url, service, str(number).encode())
        broker.dead_letter(take(broker, service), "rubbish")

    assert [dead.body for dead in broker_queues.take_dead(server.url, service)] == [b"2", b"3", b"4"]


def test_dead_letters_that_are_large_are_bounded_by_their_bytes(broker, monkeypatch, server):
    monkeypatch.setattr(rabbitmq, "QUEUE_BYTES", 10_000)
    service = next(services)
    broker.take([service], seconds=0.1)
    for number in range(3):
        broker_queues.put(server.url, service, str(number).encode() * 4_000)
        broker.dead_letter(take(broker, service), "rubbish")

    assert [dead.body[:1] for dead in broker_queues.take_dead(server.url, service)] == [b"1", b"2"]


# Addresses


def test_address_where_nobody_is_costs_a_try_and_the_other_one_serves(server, settings, monkeypatch):
    monkeypatch.setattr(rabbitmq, "PING_SECONDS", SECONDS)
    nobody = f"amqp://guest:guest@{LOOPBACK}:{free_port()}//"
    settings.REMOTE_BROKER_URL = f"{nobody};{server.url};{nobody}"
    for _ in range(5):  # they are tried in any order
        rabbitmq.ping()


def test_broker_that_takes_connections_and_says_nothing_is_away_in_time(settings):
    with socket.create_server((LOOPBACK, 0)) as mute:
        settings.REMOTE_BROKER_URL = f"amqp://guest:guest@{LOOPBACK}:{mute.getsockname()[1]}//"
        with pytest.raises(BrokerAway):
            rabbitmq.ping()


@pytest.mark.long
def test_paused_broker_is_away_in_time_and_serves_again(broker, service, server):
    server.pause()
    try:
        with pytest.raises(BrokerAway):
            broker.publish(service, ENVELOPE)
    finally:
        server.resume()

    broker.publish(service, ENVELOPE)


def test_wrong_password_is_told_without_it(server, settings):
    settings.REMOTE_BROKER_URL = f"amqp://guest:hush-hush@{LOOPBACK}:{server.port}//"

    with pytest.raises(BrokerAway) as refused:
        RabbitMQ().take(["stock"], seconds=0.1)

    assert "hush" not in f"{refused.value!r} {refused.value.__cause__!r}"


def test_publisher_whose_connection_has_ended_meanwhile_publishes_over_a_new_one(broker, service, server):
    sender = RabbitMQ(consumes=False)
    sender.publish(service, ENVELOPE)

    server.control("close_all_connections", "to see who notices")
    sender.publish(service, Envelope("Stock.RollbackStock", "43.lease", "orders", b"", "a signature"))

    sender.close()
    broker.close()
    assert take_all(broker, service, 2) == ["42.lease", "43.lease"]


# TLS


def test_encrypted_broker_is_checked_and_sees_our_certificate(server, settings, authority):
    own = authority.certificate()
    settings.REMOTE_BROKER_URL = f"amqps://guest:guest@localhost:{server.tls_port}//"
    settings.REMOTE_TLS_CA, settings.REMOTE_TLS_CERT, settings.REMOTE_TLS_KEY = map(str, (authority.cert, *own))
    broker = RabbitMQ()

    assert not broker.take([next(services)], seconds=0.1)

    broker.close()
    settings.REMOTE_TLS_CERT = settings.REMOTE_TLS_KEY = ""
    with pytest.raises(BrokerAway):
        broker.take([next(services)], seconds=0.1)


@pytest.mark.parametrize("fault", ["of another authority", "for another name", "without any authority of ours"])
def test_encrypted_broker_with_a_certificate_of_somebody_else_is_refused(server, settings, authority, folder, fault):
    own = authority.certificate()
    host = ANOTHER_NAME if fault == "for another name" else "localhost"
    ca = {"of another authority": Authority(folder, "theirs").cert, "for another name": authority.cert}.get(fault, "")
    settings.REMOTE_BROKER_URL = f"amqps://guest:guest@{host}:{server.tls_port}//"
    settings.REMOTE_TLS_CA, settings.REMOTE_TLS_CERT, settings.REMOTE_TLS_KEY = map(str, (ca, *own))

    with pytest.raises(BrokerAway, match="CERTIFICATE_VERIFY_FAILED"):
        RabbitMQ().take(["stock"], seconds=0.1)


# Rights


def test_user_of_a_service_needs_its_own_queues_and_the_default_exchange(server, settings):
    name, other = next(services), next(services)
    own = f"^charites-{name}(-dead)?$"
    server.control("add_user", name, "secret")
    server.control("set_permissions", name, own, r"^amq\.default$", own)
    settings.REMOTE_BROKER_URL = f"amqp://{name}:secret@{LOOPBACK}:{server.port}//"
    broker = RabbitMQ()

    assert not broker.take([name], seconds=0.1)
    broker.publish(name, ENVELOPE)
    broker.dead_letter(take(broker, name), "rubbish")
    broker.close()

    with pytest.raises(BrokerAway, match="ACCESS_REFUSED"):
        RabbitMQ().take([other], seconds=0.1)
