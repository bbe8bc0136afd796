"""What every table has, and the tables of the house: leased Snowflake nodes, refresh tokens, and the ends of
others."""

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from charites.common import clock

MAX_INT64 = 2**63 - 1
NAME_LENGTH = 128
ADDRESS_LENGTH = 255
PHONE_LENGTH = 32
REASON_LENGTH = 255
KEY_LENGTH = 64
MAX_LINES = 100  # of an order, and of any list that a request brings
DEFAULT_PAGE, MAX_PAGE = 20, 100  # of a list that a request asks for


class ExactCharField(models.CharField):  # type: ignore[type-arg]
    """Text that is compared letter by letter. MariaDB's usual collations hold `KEY` and `key` for the same.
    See docs/adr/0003-keys-letter-by-letter.md."""

    def db_parameters(self, connection: Any) -> dict[str, Any]:
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


class Created(models.Model):
    """Rows with an id and a time, which nobody changes or which do not say when."""

    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    class Meta:
        abstract = True


class Timestamped(Created):
    """New tables: id and two times. Every UPDATE sets `updated_at` itself."""

    updated_at = models.DateTimeField(_("updated"), default=clock.now, editable=False)

    class Meta:
        abstract = True


class Inherited(Timestamped):
    """The common columns of the original's tables. `version` is a bigint: the original's smallint overflowed."""

    created_by = models.CharField(_("created by"), max_length=NAME_LENGTH, default="", blank=True)
    updated_by = models.CharField(_("updated by"), max_length=NAME_LENGTH, default="", blank=True)
    version = models.BigIntegerField(_("version"), default=0, editable=False)
    is_deleted = models.BooleanField(_("deleted"), default=False)

    class Meta:
        abstract = True


def never_deleted(table: str) -> models.CheckConstraint:
    """Rows of this table are never marked as deleted."""
    return models.CheckConstraint(condition=models.Q(is_deleted=False), name=f"{table}_never_deleted")


class Node(models.Model):
    """A Snowflake node id, leased by one process at a time; see `common/ids.py`."""

    node = models.PositiveSmallIntegerField(primary_key=True, validators=[MinValueValidator(0)])
    owner = models.CharField(max_length=KEY_LENGTH)
    leased_until = models.DateTimeField()
    used_until_ms = models.BigIntegerField()

    class Meta:
        db_table = "charites_node"

    def __str__(self) -> str:
        return f"node {self.node}, leased by {self.owner}"


class RefreshFamily(models.Model):
    """The refresh tokens of one sign-in; see `common/auth/sessions.py`."""

    family = ExactCharField(max_length=32, primary_key=True)
    user_id = models.BigIntegerField(db_index=True)
    number = models.PositiveIntegerField()  # of the token that is good now
    password_mark = models.CharField(max_length=64)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "charites_refresh_family"

    def __str__(self) -> str:
        return f"refresh token {self.number} of user {self.user_id}"


class TokenEnd(models.Model):
    """No access token that a user had before this moment is good any more; see `common/auth/standing.py`."""

    user_id = models.BigIntegerField(primary_key=True)
    not_before = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "charites_token_end"

    def __str__(self) -> str:
        return f"tokens of user {self.user_id} before {self.not_before}"
