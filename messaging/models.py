"""Messages: a row is the truth; the broker only wakes up. And who else is told of events."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from charites.common.models import KEY_LENGTH, REASON_LENGTH, Created, ExactCharField, Timestamped

URL_LENGTH = 2048


class Message(Timestamped):
    class State(models.TextChoices):
        HALF = "half", _("half")
        READY = "ready", _("ready")
        DONE = "done", _("done")
        ABORTED = "aborted", _("aborted")
        DEAD = "dead", _("dead")

    topic = ExactCharField(_("topic"), max_length=64)
    key = ExactCharField(_("key"), max_length=KEY_LENGTH, db_index=True)  # the business id; not unique
    payload = models.JSONField(_("payload"))
    headers = models.JSONField(_("headers"), default=dict)
    state = models.CharField(_("state"), max_length=8, choices=State)
    deliver_at = models.DateTimeField(_("due"))
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    checks = models.PositiveIntegerField(_("checks"), default=0)
    lease = ExactCharField(_("lease"), max_length=KEY_LENGTH, default="")  # random token of the present claim
    claimed_until = models.DateTimeField(_("claimed until"), null=True)
    died_half = models.BooleanField(
        _("died half"), default=False, db_default=False
    )  # dead, and its check gave up, not its delivery
    last_error = models.CharField(_("last error"), max_length=500, default="")

    class Meta:
        db_table = "messaging_message"
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [
            models.Index(fields=["state", "deliver_at"], name="messaging_message_due"),
            models.Index(fields=["topic", "id"], name="messaging_message_of_topic"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.key} ({self.get_state_display()})"


class WebhookEndpoint(Timestamped):
    """An address of another system that is told of events. It is worked for by one sweep at a time.

    As long as it fails it is tried less and less often, with one delivery at a time; after days of that it is switched
    off, and somebody has to switch it on.
    """

    url = models.CharField(_("address"), max_length=URL_LENGTH)
    description = models.CharField(_("description"), max_length=REASON_LENGTH, default="", blank=True)
    kinds = models.JSONField(_("events"), default=list)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    switched_off_because = models.CharField(_("switched off because"), max_length=500, default="", blank=True)
    secret = models.CharField(_("secret"), max_length=100, editable=False)
    # The one before is good for a while, too: receivers do not change at the same moment.
    former_secret = models.CharField(_("former secret"), max_length=100, default="", editable=False)
    former_secret_until = models.DateTimeField(_("former secret good until"), null=True, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    paused_until = models.DateTimeField(_("tried again"), null=True, editable=False)
    last_taken_at = models.DateTimeField(_("took something"), null=True, editable=False)
    leased_until = models.DateTimeField(_("leased until"), null=True, editable=False)
    lease = ExactCharField(_("lease"), max_length=KEY_LENGTH, default="", editable=False)

    class Meta:
        db_table = "messaging_webhook_endpoint"
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")

    def __str__(self) -> str:
        return self.url


class Announced(Created):
    """Events that were announced together, until they are spread among those who want them; some may be spread already.
    Their ids are in an order in which two transactions about one thing have committed."""

    events = models.JSONField(_("events"))  # [[kind, key, data or null], ...]

    class Meta:
        db_table = "messaging_announced"
        verbose_name = _("announced events")
        verbose_name_plural = _("announced events")

    def __str__(self) -> str:
        return f"events {self.pk}"


class WebhookDelivery(models.Model):
    """An event for one endpoint. By their ids they are sent in order for each key."""

    class State(models.TextChoices):
        READY = "ready", _("ready")
        DONE = "done", _("done")
        DEAD = "dead", _("dead")

    endpoint_id = models.BigIntegerField(_("endpoint"))
    event_id = models.BigIntegerField(_("event id"))
    kind = models.CharField(_("event"), max_length=64)
    key = ExactCharField(_("key"), max_length=KEY_LENGTH, db_index=True)
    data = models.JSONField(_("data"))
    happened_at = models.DateTimeField(_("happened"))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.READY)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_try_at = models.DateTimeField(_("next try"), null=True)
    done_at = models.DateTimeField(_("delivered"), null=True)
    last_error = models.CharField(_("last error"), max_length=500, default="")

    class Meta:
        db_table = "messaging_webhook_delivery"
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        indexes = [
            models.Index(fields=["endpoint_id", "state", "id"], name="messaging_webhook_to_send"),
            models.Index(fields=["endpoint_id", "state", "next_try_at"], name="messaging_webhook_waiting"),
            models.Index(fields=["endpoint_id", "state", "key"], name="messaging_webhook_of_key"),
            models.Index(fields=["state", "done_at"], name="messaging_webhook_old"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
