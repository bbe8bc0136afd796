"""How tests walk through the admin: as a browser would, with a session, over the pages."""

import re
from collections.abc import Sequence
from html import unescape
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse

OUR_APPS = ["goods", "stock", "orders", "messaging"]


def make_operator(*, may_change: bool = True) -> Any:
    """A member of staff (no super user) who may do everything with our models, or only look at them."""
    operator = get_user_model().objects.create_user("operator", is_staff=True)
    permissions = Permission.objects.filter(content_type__app_label__in=OUR_APPS)
    operator.user_permissions.set(permissions if may_change else permissions.filter(codename__startswith="view_"))
    return operator


def sign_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def add_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


def page_url(row: Model, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def fields_of(client: Client, row: Model) -> dict[str, str]:
    """What a browser sends from the page of a row, a form of `ChangesOfPage`, when nothing was typed."""
    text = client.get(page_url(row)).content.decode()
    hidden = {name: unescape(value) for name, value in re.findall(r'name="(initial-[^"]+)"(?: value="([^"]*)")?', text)}
    return hidden | {name.removeprefix("initial-"): value for name, value in hidden.items()}


def ask(client: Client, action: str, rows: Sequence[Model]) -> Any:
    """Chooses an action for rows of a list, and returns the page that asks for confirmation."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], "index": "0", "select_across": "0"}
    return client.post(list_url(type(rows[0])), data)


def confirm(client: Client, action: str, rows: Sequence[Model], **fields: Any) -> list[str]:
    """Confirms an action, and returns the messages that the operator then reads."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], "confirmed": "yes", **fields}
    return submit(client, list_url(type(rows[0])), data)


def submit(client: Client, url: str, data: dict[str, Any]) -> list[str]:
    """Sends a form that is accepted or refused as a whole, and returns the messages on the page that follows."""
    page = client.post(url, data, follow=True)
    assert page.redirect_chain, getattr(page.context.get("adminform"), "errors", page.status_code)
    return [str(message) for message in page.context["messages"]]
