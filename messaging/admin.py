"""Messages, to look at; those that were given up can be sent again. Webhook endpoints, and what they are told."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from charites.common import clock
from charites.common.admin import OperatorAdmin, ReadOnlyAdmin, Report, confirmed
from charites.common.admin_sections import Section, section
from charites.common.announcements import KINDS
from charites.common.errors import Invalid
from charites.common.forms import CapitalLabels, TypedField
from charites.common.models import REASON_LENGTH
from messaging import services
from messaging.models import URL_LENGTH, Message, WebhookDelivery, WebhookEndpoint
from messaging.registry import list_topics
from messaging.webhooks import endpoints, reading


class TopicFilter(admin.SimpleListFilter):
    """The topics that this code knows, instead of a search through the whole table for those that occur."""

    title = _("topic")
    parameter_name = "topic"

    def lookups(self, request: HttpRequest, model_admin: object) -> Iterable[tuple[str, str]]:
        return [(topic, topic) for topic in list_topics()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return queryset.filter(topic=self.value()) if self.value() else queryset


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("id", "topic", "key", "state", "deliver_at", "attempts", "checks", "last_error", "created_at")
    list_filter = ("state", TopicFilter, "deliver_at")
    ordering = ("-id",)
    id_fields = ("id",)
    indexed_filters = ("state",)
    key_fields = ("key",)
    prefix_fields = ("topic",)
    actions = ("send_again", "check_again")

    @admin.action(description=_("Send dead messages again"), permissions=["operate"])
    @confirmed(_("Send these messages again, with a new series of tries? Only dead ones are."))
    def send_again(self, request: HttpRequest, rows: list[Message], form: forms.Form) -> Report:
        dead = [message for message in rows if message.state == Message.State.DEAD and not message.died_half]
        services.send_again(message_ids=[message.pk for message in rows], now=clock.now())
        return Report(done=dead)

    @admin.action(description=_("Check half messages again"), permissions=["operate"])
    @confirmed(_("Ask again what is to become of these messages? Only those whose check was given up are."))
    def check_again(self, request: HttpRequest, rows: list[Message], form: forms.Form) -> Report:
        dead = [message for message in rows if message.state == Message.State.DEAD and message.died_half]
        services.check_again(message_ids=[message.pk for message in rows], now=clock.now())
        return Report(done=dead)


SHOWN_DELIVERIES = 20


class EndpointForm(CapitalLabels, forms.ModelForm):  # type: ignore[type-arg]
    """An endpoint, as the service takes it."""

    url = forms.CharField(label=_("address"), max_length=URL_LENGTH, widget=forms.URLInput({"size": 60}))
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


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("id", "endpoint_id", "kind", "key", "state", "attempts", "next_try_at", "last_error", "happened_at")
    list_filter = ("state", "happened_at")
    ordering = ("-id",)
    id_fields = ("id", "event_id")
    key_fields = ("key",)
    actions = ("send_again",)

    @admin.action(description=_("Send the deliveries again"), permissions=["operate"])
    @confirmed(_("Send these deliveries again? Only what has ended is."))
    def send_again(self, request: HttpRequest, rows: list[WebhookDelivery], form: forms.Form) -> Report:
        ended = [delivery for delivery in rows if delivery.state != WebhookDelivery.State.READY]
        endpoints.replay(delivery_ids=[delivery.pk for delivery in rows], now=clock.now())
        return Report(done=ended)
