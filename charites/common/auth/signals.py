"""Users who change lose their tokens, whoever saves them: the admin, a command, a shell."""

from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models.signals import post_delete, post_save, pre_save

from charites.common import clock
from charites.common.auth.sessions import end_sessions
from charites.common.auth.standing import end_tokens

DECISIVE = ("is_active", "is_staff", "password")
CHANGED = "_has_lost_its_tokens"


def connect() -> None:
    """Listens to the users."""
    user_class = get_user_model()
    pre_save.connect(before_save, sender=user_class)
    post_save.connect(after_save, sender=user_class)
    post_delete.connect(after_delete, sender=user_class)


def before_save(instance: Any, update_fields: Collection[str] | None, **_: Any) -> None:
    """Ends the tokens first: should the process die in between, nothing worse has happened."""
    is_touched = update_fields is None or not set(DECISIVE).isdisjoint(update_fields)
    if not (settings.USERS_ARE_HERE and instance.pk and is_touched):
        return
    if changed := changed_names(instance):
        end_tokens(user_ids=[instance.pk], now=clock.now())
        setattr(instance, CHANGED, True)
    if changed - {"is_staff"}:  # a refresh reads who is staff
        end_sessions(user_ids=[instance.pk])


def after_save(instance: Any, **_: Any) -> None:
    """And once more: a token may have been signed meanwhile."""
    if instance.__dict__.pop(CHANGED, False):
        end_tokens(user_ids=[instance.pk], now=clock.now())


def after_delete(instance: Any, **_: Any) -> None:
    if settings.USERS_ARE_HERE:
        end_tokens(user_ids=[instance.pk], now=clock.now())
        end_sessions(user_ids=[instance.pk])


def changed_names(instance: Any) -> set[str]:
    """In what that decides over tokens a user differs from what is stored."""
    stored = type(instance)._default_manager.filter(pk=instance.pk).values(*DECISIVE).first()
    return {name for name, value in (stored or {}).items() if value != getattr(instance, name)}
