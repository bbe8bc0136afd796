"""Log-in pages: who signs in there is counted as in the API."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.http.response import HttpResponseBase

from charites.common import clock, sign_in
from charites.common.errors import Limited
from charites.common.rest import refusing, sender


class CountedSignInForm(AuthenticationForm):
    """Django's own, which says so when there were too many attempts; then no password was looked at."""

    limited: Limited | None = None

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username")
        if username and self.request:
            try:
                sign_in.count_attempt(username=username, address=sender(self.request), now=clock.now())
            except Limited as error:
                self.limited = error
                raise forms.ValidationError(error.message) from error
        return super().clean()

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if not sign_in.is_same_name(self.cleaned_data["username"], user.get_username()):
            raise self.get_invalid_login_error()


def with_limit(page: HttpResponseBase) -> HttpResponseBase:
    """A page with a log-in form; past the limit its status says so, too."""
    form = (getattr(page, "context_data", None) or {}).get("form")
    limited = getattr(form, "limited", None)
    return refusing(page, limited) if limited else page
