"""Messages, to look at; those that were given up can be sent again."""

from collections.abc import Iterable

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from charites.common import clock
from charites.common.admin import ReadOnlyAdmin, Report, confirmed
from messaging import services
from messaging.models import Message
from messaging.registry import list_topics


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
