"""What the admin pages of every app share: pages that only show, tables below them, and actions that ask first."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

import structlog
from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_permission_codename, get_user_model
from django.db import DatabaseError
from django.db.models import BLANK_CHOICE_DASH, DateTimeField, Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from charites.common.admin_lists import ListAdmin
from charites.common.admin_sections import Section, Text
from charites.common.errors import Kind, OutcomeUnknown, ServiceError, as_service_error, is_outage
from charites.common.forms import TYPED

log = structlog.get_logger(__name__)

ROWS_PER_PAGE = 50
MAX_ROWS = 100  # of one action
MAX_SECTION_ROWS = 100
UNTOLD = ("key", "left")  # fields that nobody has typed into


@dataclass(frozen=True, slots=True)
class Report:
    """What an action did: the rows that it changed, why it left others alone, and what else there is to say."""

    done: Sequence[Model] = ()
    errors: Sequence[Exception | Text] = ()
    notes: Sequence[Text] = ()


class OperatorAdmin(ListAdmin):
    """A page for operators. Whoever may change a model may run its actions, also where the fields are read-only."""

    change_form_template = "charites_common/change_form.html"
    formfield_overrides = TYPED
    list_per_page = ROWS_PER_PAGE

    object_history_template = "charites_common/object_history.html"
    # Of fields, and of what is done on pages of its own; by their names in the code.
    history_words: Mapping[str, Text] = {}

    class Media:
        css = {"all": ["charites_common/admin.css"]}

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Django asks this for actions with `permissions=["operate"]`."""
        codename = get_permission_codename("change", self.opts)
        return bool(request.user.has_perm(f"{self.opts.app_label}.{codename}"))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Beside a time that is typed stands whose time it is."""
        field = super().formfield_for_dbfield(db_field, request, **options)
        if isinstance(db_field, DateTimeField) and field:
            field.help_text = timezone.get_current_timezone_name()
        return field

    def get_action_choices(self, request: HttpRequest, default_choices: Any = BLANK_CHOICE_DASH) -> list[Any]:
        """The actions, each with how many rows it takes."""
        actions: dict[str, Any] = self.get_actions(request)
        limits = {name: getattr(run, "limit", None) for name, (run, *_) in actions.items()}
        choices = super().get_action_choices(request, default_choices)
        return [(name, with_limit(label, limits.get(name))) for name, label in choices]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """A refusal of a service is a message on the same page.

        Not in one transaction, as Django's own: the services begin theirs, and know how each one ended.
        """
        try:
            return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]
        except (ServiceError, DatabaseError) as error:
            if request.method != "POST":
                raise
            self.message_user(request, as_text(error), messages.ERROR)
            return HttpResponseRedirect(self.page_to_repeat(request))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """As `changeform_view`; the page of the row then shows whether it is deleted."""
        try:
            return self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]
        except (ServiceError, DatabaseError) as error:
            if request.method != "POST":
                raise
            self.message_user(request, as_text(error), messages.ERROR)
            page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return HttpResponseRedirect(reverse(page, args=[object_id]))

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """What an action has done stands there in its words, and not under the name that it has in the code."""
        page = super().history_view(request, object_id, extra_context)
        for entry in getattr(page, "context_data", {}).get("action_list", ()):
            entry.change_message = self.in_words(entry.change_message)
        return page

    def in_words(self, change_message: str) -> str:
        name, _blank, data = change_message.partition(" ")
        label = self.history_words.get(name)
        if name in self.actions:  # type: ignore[operator]
            _run, _name, label = self.get_action(name)  # type: ignore[misc]
        if label is None:
            return change_message
        _before, *parts = re.split(f"(?:^| )({'|'.join([*self.history_words, *UNTOLD])})=", data)
        told = zip(parts[::2], parts[1::2], strict=True)
        words = [
            f"{self.history_words[field]}: {value.replace('%3D', '=').replace('%25', '%')}"
            for field, value in told
            if field not in UNTOLD and value not in ("", "None")
        ]
        return "; ".join([str(label), *words])

    def page_to_repeat(self, request: HttpRequest) -> str:
        """The page from which the same may be sent again, after it was refused or nobody knows how it ended."""
        return request.get_full_path()

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context["sections"] = self.sections(obj) if obj else []
        return super().render_change_form(request, context, add, change, form_url, obj)

    def sections(self, obj: Any) -> list[Section]:
        """Returns the tables to show below a row's fields."""
        return []


class ReadOnlyAdmin(OperatorAdmin):
    """Rows that only services write: nothing is added, edited or deleted here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def with_limit(label: Text, limit: int | None) -> Text:
    if limit is None:
        return label
    words = ngettext("%(action)s (one only)", "%(action)s (%(limit)s at most)", limit)
    return words % {"action": label, "limit": limit}


Run = Callable[[Any, HttpRequest, list[Any], forms.Form], Report]


Remark = Callable[[list[Any]], Text | None]


def confirmed(
    question: Text, *, form_class: type[forms.Form] = forms.Form, one: bool = False, remark: Remark | None = None
) -> Callable[..., Any]:
    """Makes an admin action of a function `(admin, request, rows, form) -> Report` that calls one service.

    The action first shows its question with the chosen rows (and its form), runs when that is answered, and then
    writes what was done to Django's log of the admin and to ours. `one`: it takes a single row. `remark`: what has to
    be known of the chosen rows before that is answered, if anything.
    """

    limit = 1 if one else MAX_ROWS

    def decorate(run: Run) -> Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]:
        @wraps(run)
        def action(admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
            rows = list(queryset[: MAX_ROWS + 1])
            if len(rows) > limit:
                problem = ngettext("Choose one row only.", "Choose %(limit)s rows at most.", limit)
                admin.message_user(request, problem % {"limit": limit}, messages.WARNING)
                return None
            rows = admin.completed(rows)  # before anything is done: the page may have to stand without a database
            form = form_class(request.POST if "confirmed" in request.POST else None)
            if not form.is_valid() or not carry_out(admin, request, rows, form, run):
                words = remark(rows) if remark else None
                return confirmation_page(admin, request, rows, form, question, run.__name__, remark=words)
            return None

        action.limit = limit  # type: ignore[attr-defined]
        return action

    return decorate


def confirmation_page(
    admin: Any,
    request: HttpRequest,
    rows: list[Any],
    form: forms.Form,
    question: Text,
    name: str,
    *,
    remark: Text | None = None,
) -> HttpResponse:
    """Shows what an action is about to do, and to what."""
    _run, _name, label = admin.get_action(name)
    names = [admin.described(row) for row in rows]
    chosen = {"rows": rows, "action": name, "action_checkbox_name": ACTION_CHECKBOX_NAME, "remark": remark}
    return question_page(admin, request, form, question, names=names, label=label, **chosen)


def question_page(
    admin: Any, request: HttpRequest, form: forms.Form, question: Text, *, names: list[str], label: Text, **more: Any
) -> HttpResponse:
    """Asks about what has these names. `more` is for the template."""
    context = {
        **admin.admin_site.each_context(request),
        "title": question,
        "opts": admin.opts,
        "names": names,
        "label": label,
        "form": form,
        "media": admin.media + form.media,
        "back": request.get_full_path(),
        **more,
    }
    return TemplateResponse(request, "charites_common/confirm_action.html", context)


def carry_out(admin: Any, request: HttpRequest, rows: list[Any], form: forms.Form, run: Run) -> bool:
    """Runs a confirmed action, logs what it did, and says what it did and what it did not.

    False when nobody knows: the form then stays, with the key in it, so that the same can be sent again.
    """
    try:
        report = run(admin, request, rows, form)
    except (ServiceError, DatabaseError) as error:
        report = Report(errors=[as_known(error)])
    record_or_say(admin, request, lambda: report.done, action=run.__name__, **form.cleaned_data)
    if report.done:
        number = len(report.done)
        done = ngettext("Done for %(number)s row.", "Done for %(number)s rows.", number) % {"number": number}
        admin.message_user(request, done, messages.SUCCESS)
    for note in report.notes:
        admin.message_user(request, note, messages.INFO)
    for problem in report.errors:
        admin.message_user(request, as_text(problem), messages.ERROR)
    return not any(isinstance(error, ServiceError) and error.kind is Kind.UNKNOWN for error in report.errors)


def record_or_say(
    admin: Any, request: HttpRequest, done: Callable[[], Sequence[Model]], *, action: str, **data: Any
) -> None:
    """Records what was done to these rows, or says that it could not: it is done, either way."""
    try:
        record(request, done(), action=action, **data)
    except DatabaseError as error:
        log.error("admin_action_unrecorded", action=action, error=repr(error))
        admin.message_user(request, _("What was done could not be written into the history."), messages.WARNING)


def record(request: HttpRequest, rows: Sequence[Model], *, action: str, **data: Any) -> None:
    """Writes an operator's deed to Django's log of the admin, which the pages show as history, and to ours, which does
    not tell what people are called and what they type."""
    log.info("admin_action", action=action, actor=f"staff:{request.user.pk}", rows=[row.pk for row in rows])
    if rows:
        typed = {name: str(value).replace("%", "%25").replace("=", "%3D") for name, value in data.items()}
        words = [action, *(f"{name}={value}" for name, value in typed.items())]  # so that `in_words` finds the names
        LogEntry.objects.log_actions(
            user_id=cast("int", request.user.pk),
            queryset=cast("QuerySet[Model]", rows),  # any iterable of rows will do
            action_flag=CHANGE,
            change_message=" ".join(words),
        )


def as_known(error: Exception) -> Exception:
    """What is known where this error came out. The services answer for their commits; a database's own error comes from
    what was read or written beside them, and says nothing of how the rest ended."""
    return OutcomeUnknown() if isinstance(error, DatabaseError) and is_outage(error) else error


def as_text(error: Exception | Text) -> str:
    """What an operator may read about an error."""
    return as_service_error(as_known(error)).message if isinstance(error, Exception) else str(error)


def actor_of(request: HttpRequest) -> str:
    """The name that goes into `created_by`, `updated_by` and adjustments."""
    return request.user.get_username()


def with_username(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Adds the name of the user of each row, in the same query; None for users whom another service knows."""
    users = get_user_model().objects.filter(pk=OuterRef("user_id"))
    named: QuerySet[Any] = rows.annotate(username=Subquery(users.values("username")))
    return named
