"""Messages over REST, to be looked at."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from charites.common.auth import Permission
from charites.common.errors import Forbidden
from charites.common.models import KEY_LENGTH
from charites.common.replicas import may_be_old
from charites.common.rest import (
    Answer,
    CountField,
    Endpoint,
    IdField,
    KeyField,
    OneOfField,
    PagedSerializer,
    PageSerializer,
    allowed,
    cursor_of,
    documented,
    paged,
    valid_query,
)
from messaging import selectors
from messaging.models import Message


class ListMessagesSerializer(PagedSerializer):
    state = OneOfField(Message.State.choices, required=False)
    topic = KeyField(required=False, max_length=KEY_LENGTH, help_text="what it is about, such as order.timeout")
    key = KeyField(required=False, help_text="of an order or a payment, say")


class MessageSerializer(serializers.Serializer[Message]):
    message_id = IdField(source="pk")
    topic = serializers.CharField()
    key = serializers.CharField(help_text="of what it is about; several messages may have the same")
    payload = serializers.DictField()
    state = serializers.ChoiceField(Message.State.choices)
    deliver_at = serializers.DateTimeField(help_text="when it is delivered, or tried again")
    attempts = CountField(help_text="how often it was tried")
    last_error = serializers.CharField(help_text="why it was not taken the last time; may be empty")
    created_at = serializers.DateTimeField()


class MessageListSerializer(PageSerializer):
    messages = MessageSerializer(many=True)


A_MESSAGE: dict[str, Any] = {
    "message_id": "17",
    "topic": "order.timeout",
    "key": "649238400000000001",
    "payload": {"order_id": "649238400000000001"},
    "state": "done",
    "deliver_at": "2026-06-01T12:15:00Z",
    "attempts": 1,
    "last_error": "",
    "created_at": "2026-06-01T12:00:00.250000Z",
}


class MessageListView(Endpoint):
    permission_classes = [allowed(Permission.VIEW_MESSAGE)]

    @documented(
        "List messages, newest first",
        description="For staff who may see messages: what the shop tells itself and others, and what became of it.",
        operation_id="list_messages",
        parameters=[ListMessagesSerializer],
        answers=Answer(
            MessageListSerializer, "A page of messages.", {"messages": [A_MESSAGE], "next": None, "previous": None}
        ),
        errors=[Forbidden],
    )
    @may_be_old
    def get(self, request: Request) -> Response:
        query = valid_query(ListMessagesSerializer, request)
        page = selectors.page_messages(cursor_of(query), **query)
        return paged(MessageListSerializer, request, page, "messages")
