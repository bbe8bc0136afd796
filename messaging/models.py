"""Messages. A row is the truth; the broker only wakes up."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from charites.common.models import KEY_LENGTH, ExactCharField, Timestamped


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
