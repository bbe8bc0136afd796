"""Webhook endpoints, and what they are told."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from charites.common import clock
from charites.common.admin import OperatorAdmin, ReadOnlyAdmin, Report, confirmed
from charites.common.admin_sections import Section, section
from charites.common.announcements import KINDS
from charites.common.errors import Invalid
from charites.common.forms import CapitalLabels, ChangesOfPage, TypedField
from charites.common.models import REASON_LENGTH
from charites.common.pages import Cursor
from charites.common.text import whole
from messaging.models import URL_LENGTH, WebhookDelivery, WebhookEndpoint
from messaging.webhooks import endpoints, reading

SHOWN_DELIVERIES = ENDPOINTS_TO_FILTER_BY = 20
SHOWN_NAME = 24
CHECKED = ("url", "kinds", "description")
BEHIND = defaultdict(
    lambda: _("waits behind another one about the same"),
    order=_("waits behind another one of this order"),
    stock=_("waits behind another one of this product"),
    room=_("waits behind another one of this room"),
)


class EndpointForm(ChangesOfPage, CapitalLabels, forms.ModelForm):  # type: ignore[type-arg]
    """An endpoint, as the service takes it. What stood there before may stay: its address may be one that is not called
    any more, and is looked at again when it is switched on."""

    url = forms.CharField(
        label=_("address"),
        max_length=URL_LENGTH,
        widget=forms.URLInput({"class": "vURLField"}),
        help_text=_("https:// of a system that is told of events. Their secret is shown this once, when it is saved."),
    )
    kinds = forms.MultipleChoiceField(label=_("events"), widget=forms.CheckboxSelectMultiple)
    description = TypedField(label=_("description"), max_length=REASON_LENGTH, required=False)

    class Meta:
        model = WebhookEndpoint
        fields = ("url", "kinds", "description", "is_enabled")
        help_texts = {"is_enabled": _("What happens while it is off is not sent later; read the orders for that time.")}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "kinds" in self.fields:  # who may only look has none
            choices = [(name, f"{name}: {kind.meaning}") for name, kind in sorted(KINDS.items())]
            self.fields["kinds"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                endpoints.check(**{name: cleaned[name] for name in CHECKED if name in self.changed_data})
            except Invalid as error:
                self.add_error(error.details["field"], error.reason)
        return cleaned


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(OperatorAdmin):
    form = EndpointForm
    list_display = ("id", "url", "description", "is_enabled", "failing_since", "switched_off_because")
    list_display_links = ("id", "url")
    list_filter = ("is_enabled",)
    ordering = ("id",)
    prefix_fields = ("url", "description")
    actions = ("rotate_secret", "send_waiting")
    readonly_fields = ("switched_off_because", "failing_since", "next_try", "created_at", "updated_at")

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        fields = ("url", "kinds", "description")
        return ("is_enabled", *fields, *self.readonly_fields) if obj else fields

    def sections(self, obj: WebhookEndpoint) -> list[Section]:
        told = reading.list_newest_deliveries(endpoint_id=obj.pk, limit=SHOWN_DELIVERIES)
        names = ("id", "kind", "key", "state", "attempts", "next_try_at", "happened_at", "last_error")
        return [section(_("Deliveries, newest first"), WebhookDelivery, told, *names, next_try_at=words_for_next_try)]

    @admin.display(description=_("next try"), empty_value="-")
    def next_try(self, endpoint: WebhookEndpoint) -> str | None:
        """After it took nothing."""
        return with_seconds(endpoint.paused_until) if endpoint.is_enabled and endpoint.paused_until else None

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in form.changed_data if name in form.cleaned_data}
        if change:
            endpoints.change_endpoint(endpoint_id=obj.pk, values=values, now=clock.now())
            return
        added = endpoints.add_endpoint(**{name: form.cleaned_data[name] for name in CHECKED})
        obj.pk = added.pk
        self.show_secret(request, added)

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        endpoints.remove_endpoint(endpoint_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in queryset:  # a few that somebody has chosen
            endpoints.remove_endpoint(endpoint_id=endpoint.pk)

    def show_secret(self, request: HttpRequest, endpoint: WebhookEndpoint) -> None:
        text = _("The secret, which is shown this once: %(secret)s")
        self.message_user(request, text % {"secret": endpoint.secret}, messages.INFO)

    @admin.action(description=_("Give the endpoint another secret"), permissions=["operate"])
    @confirmed(_("Give this endpoint another secret? For a day everything is signed with both."), one=True)
    def rotate_secret(self, request: HttpRequest, rows: list[WebhookEndpoint], form: forms.Form) -> Report:
        self.show_secret(request, endpoints.rotate_secret(endpoint_id=rows[0].pk, now=clock.now()))
        return Report(done=rows)

    @admin.action(description=_("Switch the endpoint on, and send at once what waits"), permissions=["operate"])
    @confirmed(_("Switch this endpoint on, and send at once what waits for it?"), one=True)
    def send_waiting(self, request: HttpRequest, rows: list[WebhookEndpoint], form: forms.Form) -> Report:
        endpoints.change_endpoint(endpoint_id=rows[0].pk, values={"is_enabled": True}, now=clock.now())
        return Report(done=rows)


class EndpointFilter(admin.SimpleListFilter):
    """The first endpoints by their addresses; any other by its number in the address of the page."""

    title = _("webhook endpoint")
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        found = reading.page_endpoints(Cursor(limit=ENDPOINTS_TO_FILTER_BY)).items
        words = {str(endpoint.pk): endpoint.url for endpoint in found}
        if self.value() and self.value() not in words:
            words[str(self.value())] = str(self.value())
        return list(words.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
        if not self.value():
            return queryset
        endpoint_id = whole(self.value())
        return queryset.none() if endpoint_id is None else queryset.filter(endpoint_id=endpoint_id)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    fields = (
        *("endpoint", "event_id", "kind", "key", "data", "happened_at", "state", "attempts"),
        *("next_try", "done_at", "last_error"),
    )
    readonly_fields = ("endpoint", "next_try")
    list_display = ("id", "endpoint", "kind", "key", "state", "attempts", "next_try", "last_error", "happened_at")
    list_filter = ("state", EndpointFilter, "happened_at")
    ordering = ("-id",)
    id_fields = ("id", "event_id")
    indexed_filters = ("endpoint",)
    key_fields = ("key",)
    actions = ("send_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        return reading.with_endpoints(super().get_queryset(request))

    @admin.display(description=_("endpoint"))
    def endpoint(self, row: WebhookDelivery) -> str:
        url = getattr(row, "endpoint_url", None)
        if url is None:  # it was removed
            return str(row.endpoint_id)
        page = reverse("admin:messaging_webhookendpoint_change", args=[row.endpoint_id])
        return format_html('<a href="{}" title="{}">{}</a>', page, url, name_of_endpoint(row))

    @admin.display(description=_("next try"))
    def next_try(self, row: WebhookDelivery) -> str | Promise | None:
        return words_for_next_try(row)

    def described(self, row: WebhookDelivery) -> str:
        return str(_("%(event)s, for %(endpoint)s") % {"event": row, "endpoint": name_of_endpoint(row)})

    @admin.action(description=_("Send the deliveries again"), permissions=["operate"])
    @confirmed(_("Send these deliveries again? What waits is sent at once, but not before another one about the same."))
    def send_again(self, request: HttpRequest, rows: list[WebhookDelivery], form: forms.Form) -> Report:
        replayed = endpoints.replay(delivery_ids=[delivery.pk for delivery in rows], now=clock.now())
        done = [delivery for delivery in rows if delivery.pk in replayed.again or delivery.pk in replayed.off]
        return Report(done=done, notes=list(notes_on(replayed)))


def notes_on(replayed: endpoints.Replayed) -> Iterator[str]:
    """What else there is to say of deliveries that were to be sent again."""
    if replayed.off:
        number = len(replayed.off)
        words = ngettext(
            "%(number)s is sent once its endpoint is switched on.",
            "%(number)s are sent once their endpoint is switched on.",
            number,
        )
        yield words % {"number": number}
    if replayed.held_up:
        number = len(replayed.held_up)
        first = ", ".join(str(pk) for pk in sorted(set(replayed.held_up.values())))
        words = ngettext(
            "%(number)s is not sent: it waits behind another one about the same. Send that one again: %(first)s.",
            "%(number)s are not sent: they wait behind others about the same. Send those again: %(first)s.",
            number,
        )
        yield words % {"number": number, "first": first}


def name_of_endpoint(row: WebhookDelivery) -> str:
    """Its description or its host, which are short; its number when it was removed. The row comes with it."""
    url = getattr(row, "endpoint_url", None)
    name = getattr(row, "endpoint_description", "") or (urlsplit(url).hostname if url else row.endpoint_id)
    return truncatechars(str(name), SHOWN_NAME)


def words_for_next_try(row: WebhookDelivery) -> str | Promise | None:
    """When a delivery is tried next, or what it waits for; None where it has ended. The row comes with its endpoint."""
    is_enabled, paused_until = row.endpoint_is_enabled, row.endpoint_paused_until  # type: ignore[attr-defined]
    if row.state != WebhookDelivery.State.READY or is_enabled is None:
        return None
    if not is_enabled:
        return _("once its endpoint is switched on")
    if row.is_behind:  # type: ignore[attr-defined]
        return BEHIND[row.kind.partition(".")[0]]
    next_try = reading.next_try(row, is_enabled=is_enabled, paused_until=paused_until)
    return with_seconds(next_try) if next_try else _("at once")


def with_seconds(moment: datetime) -> str:
    return date_format(localtime(moment), "Y-m-d H:i:s")
