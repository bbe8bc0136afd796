"""A topic whose effects can be counted; its receiver is idempotent, as all of them are.

What it does is a row (a group of django.contrib.auth) whose name begins with the message's key.
"""

import secrets
from collections import Counter
from collections.abc import Sequence

from django.contrib.auth.models import Group
from django.db import connection, transaction

from messaging.models import Message
from messaging.registry import register, unregister
from messaging.services import Draft, publish_many

TOPIC = "fault"


def receive(messages: Sequence[Message]) -> None:
    """One row per message, however often it is delivered, and one row per delivery beside it."""
    with transaction.atomic():
        Group.objects.bulk_create(
            [Group(name=f"{message.key}:once") for message in messages],
            update_conflicts=True,
            update_fields=["name"],
            unique_fields=["name"] if connection.features.supports_update_conflicts_with_target else None,
        )
        Group.objects.bulk_create(Group(name=f"call {message.key}:{secrets.token_hex(8)}") for message in messages)


def register_receivers() -> None:
    register(TOPIC, receive)


def unregister_receivers() -> None:
    unregister(TOPIC)


def publish_some(keys: Sequence[str]) -> None:
    """Publishes one message per key."""
    with transaction.atomic():
        publish_many([Draft(TOPIC, key, {}) for key in keys])


def effects() -> Counter[str]:
    """How often each key took effect; `call <key>`: how often its receiver was called."""
    return Counter(name.rpartition(":")[0] for name in Group.objects.values_list("name", flat=True))
