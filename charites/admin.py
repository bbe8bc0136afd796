"""The name of the admin, what is typed into the pages that Django brings, and its door: who signs in there is counted
as in the API."""

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache

from charites.common.forms import TYPED
from charites.common.sign_in_form import CountedSignInForm, with_limit

admin.site.site_header = "charites"
admin.site.site_title = "charites"

admin.site.unregister([Group, User])


@admin.register(Group)
class TypedGroupAdmin(GroupAdmin):
    formfield_overrides = TYPED


@admin.register(User)
class TypedUserAdmin(UserAdmin):
    formfield_overrides = TYPED
    change_form_template = "charites_common/user_form.html"
    object_history_template = "charites_common/object_history.html"


class SignInForm(AdminAuthenticationForm, CountedSignInForm):
    """The admin's own, with attempts counted."""


admin.site.login_form = SignInForm


@never_cache
def sign_in_page(request: HttpRequest) -> HttpResponseBase:
    """The admin's log-in."""
    return with_limit(admin.site.login(request))
