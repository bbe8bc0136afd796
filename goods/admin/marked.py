"""Rows that are marked as deleted, and from then on only shown."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from charites.common.admin import OperatorAdmin

COMMON_FIELDS = ("version", "created_at", "created_by", "updated_at", "updated_by")


@admin.display(description=_("deleted"), ordering="is_deleted")
def deleted(row: Any) -> str:
    """A mark where there is something to see; Django's icon for "no" is a red cross."""
    return "✓" if row.is_deleted else ""


class MarkedRowsAdmin(OperatorAdmin):
    """Rows that are marked as deleted, and from then on only shown."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not (obj and obj.is_deleted) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not (obj and obj.is_deleted) and super().has_delete_permission(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self.mark(request, list(queryset))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.mark(request, [obj])

    def mark(self, request: HttpRequest, rows: list[Any]) -> None:
        """Asks the service to mark these rows as deleted."""
        raise NotImplementedError
