"""Webhook endpoints, and what they are told."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from charites.common import clock
from charites.common.admin import OperatorAdmin, ReadOnlyAdmin, Report, confirmed
from charites.common.admin_sections import Section, section
from charites.common.announcements import KINDS
from charites.common.errors import Invalid
from charites.common.forms import CapitalLabels, TypedField
from charites.common.models import REASON_LENGTH
from charites.common.pages import Cursor
from charites.common.text import whole
from messaging.models import URL_LENGTH, WebhookDelivery, WebhookEndpoint
from messaging.webhooks import endpoints, reading

SHOWN_DELIVERIES = ENDPOINTS_TO_FILTER_BY = 20
SHOWN_NAME = 24


class EndpointForm(CapitalLabels, forms.ModelForm):  # type: ignore[type-arg]
    """An endpoint, as the service takes it."""

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

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "kinds" in self.fields:  # who may only look has none
            choices = [(name, f"{name}: {kind.meaning}") for name, kind in sorted(KINDS.items())]
            self.fields["kinds"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                endpoints.check(**{name: cleaned[name] for name in ("url", "kinds", "description")})
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
    actions = ("rotate_secret",)
    readonly_fields = ("switched_off_because", "failing_since", "paused_until", "created_at", "updated_at")

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        fields = ("url", "kinds", "description")
        return ("is_enabled", *fields, *self.readonly_fields) if obj else fields

    def sections(self, obj: WebhookEndpoint) -> list[Section]:
        told = reading.list_newest_deliveries(endpoint_id=obj.pk, limit=SHOWN_DELIVERIES)
        names = ("id", "kind", "key", "state", "attempts", "happened_at", "last_error")
        return [section(_("Deliveries, newest first"), WebhookDelivery, told, *names)]

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in form.changed_data if name in form.cleaned_data}
        if change:
            endpoints.change_endpoint(endpoint_id=obj.pk, values=values, now=clock.now())
            return
        added = endpoints.add_endpoint(**{name: form.cleaned_data[name] for name in ("url", "kinds", "description")})
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
        *("next_try_at", "done_at", "last_error"),
    )
    readonly_fields = ("endpoint",)
    list_display = ("id", "endpoint", "kind", "key", "state", "attempts", "next_try_at", "last_error", "happened_at")
    list_filter = ("state", EndpointFilter, "happened_at")
    ordering = ("-id",)
    id_fields = ("id", "event_id")
    indexed_filters = ("endpoint",)
    key_fields = ("key",)
    actions = ("send_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        endpoint = WebhookEndpoint.objects.filter(pk=OuterRef("endpoint_id"))
        names = {f"endpoint_{name}": Subquery(endpoint.values(name)) for name in ("description", "url")}
        told: QuerySet[WebhookDelivery] = super().get_queryset(request).annotate(**names)
        return told

    @admin.display(description=_("endpoint"))
    def endpoint(self, row: WebhookDelivery) -> str:
        """By its description or its host, which are short."""
        url = getattr(row, "endpoint_url", None)
        if url is None:  # it was removed
            return str(row.endpoint_id)
        page = reverse("admin:messaging_webhookendpoint_change", args=[row.endpoint_id])
        name = getattr(row, "endpoint_description", "") or urlsplit(url).hostname
        return format_html('<a href="{}" title="{}">{}</a>', page, url, truncatechars(name, SHOWN_NAME))

    @admin.action(description=_("Send the deliveries again"), permissions=["operate"])
    @confirmed(_("Send these deliveries again? Only what has ended is."))
    def send_again(self, request: HttpRequest, rows: list[WebhookDelivery], form: forms.Form) -> Report:
        ended = [delivery for delivery in rows if delivery.state != WebhookDelivery.State.READY]
        if ended:
            endpoints.replay(delivery_ids=[delivery.pk for delivery in ended], now=clock.now())
        return Report(done=ended)
