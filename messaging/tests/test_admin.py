import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from lab.kit.admin_site import ask, confirm, list_url, make_operator, page_url, sign_in
from messaging.models import Message

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return sign_in(make_operator())


def make_message(state: str = Message.State.DEAD, key: str = "1") -> Message:
    return Message.objects.create(
        topic="payment_notify",
        key=key,
        payload={"v": 1},
        state=state,
        deliver_at=timezone.now(),
        attempts=17,
        last_error="gave up",
    )


def test_sending_again_asks_first(client: Client) -> None:
    message = make_message()

    page = ask(client, "send_again", [message])

    assert page.status_code == 200
    assert Message.objects.get(pk=message.pk).state == Message.State.DEAD


def test_sending_again_makes_dead_messages_ready_and_leaves_others(client: Client) -> None:
    dead, done = make_message(), make_message(Message.State.DONE, key="2")

    assert confirm(client, "send_again", [dead, done]) == ["Done for 1 row."]

    revived = Message.objects.get(pk=dead.pk)
    assert (revived.state, revived.attempts) == (Message.State.READY, 0)
    assert Message.objects.get(pk=done.pk).state == Message.State.DONE
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(dead.pk)]


def test_sending_again_without_a_dead_message_says_so(client: Client) -> None:
    done = make_message(Message.State.DONE)

    assert confirm(client, "send_again", [done]) == ["There is no such thing here."]

    assert LogEntry.objects.count() == 0


def test_checking_again_asks_about_half_messages_whose_check_was_given_up_and_leaves_others(client: Client) -> None:
    half, dead = make_message(), make_message(key="2")
    Message.objects.filter(pk=half.pk).update(died_half=True, checks=15, attempts=0)

    assert confirm(client, "check_again", [half, dead]) == ["Done for 1 row."]

    revived = Message.objects.get(pk=half.pk)
    assert (revived.state, revived.checks, revived.died_half) == (Message.State.HALF, 0, False)
    assert Message.objects.get(pk=dead.pk).state == Message.State.DEAD


def test_messages_are_found_by_key_and_topic_and_filtered_by_state(client: Client) -> None:
    dead, done = make_message(key="5001"), make_message(Message.State.DONE, key="6001")

    def found(**query: str) -> list[int]:
        return [row.pk for row in client.get(list_url(Message), query).context["cl"].result_list]

    assert found(q="5001") == [dead.pk]
    assert found(state__exact="done") == [done.pk]
    assert found(topic="payment_notify") == [done.pk, dead.pk]
    assert found(topic="payment_refund") == []


def test_message_page_only_shows(client: Client) -> None:
    message = make_message()

    assert client.get(page_url(message)).status_code == 200
    assert client.post(page_url(message), {"state": "done"}).status_code == 403
