"""The name of the admin, what is typed into the pages that Django brings, and its door: who signs in there is counted
as in the API."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from charites.common import clock, sign_in
from charites.common.errors import Limited
from charites.common.forms import TYPED
from charites.common.refused import count_refusal
from charites.common.rest import error_headers, sender

admin.site.site_header = "charites"
admin.site.site_title = "charites"

admin.site.unregister([Group, User])


@admin.register(Group)
class TypedGroupAdmin(GroupAdmin):
    formfield_overrides = TYPED


@admin.register(User)
class TypedUserAdmin(UserAdmin):
    formfield_overrides = TYPED


class SignInForm(AdminAuthenticationForm):
    """The admin's own, which says so when there were too many attempts."""

    limited: Limited | None = None

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username")
        if username and self.request:
            try:
                sign_in.count_attempt(username=username, address=sender(self.request), now=clock.now())
            except Limited as error:
                self.limited = error
                raise ValidationError(error.message) from error
        return super().clean()


admin.site.login_form = SignInForm


@never_cache
def sign_in_page(request: HttpRequest) -> HttpResponse:
    """The admin's log-in; past the limit its status says so, too."""
    page = admin.site.login(request)
    form = getattr(page, "context_data", {}).get("form")
    if limited := getattr(form, "limited", None):
        count_refusal(limited)
        page.status_code = HTTPStatus.TOO_MANY_REQUESTS
        for name, value in error_headers(limited).items():
            page[name] = value
    return page
