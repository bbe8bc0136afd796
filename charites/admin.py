"""The name of the admin, its first page, what is typed into the pages that Django brings, and its door: who signs in
there is counted as in the API."""

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache

from charites.common import clock
from charites.common.admin_lists import AskedAdmin
from charites.common.forms import TYPED
from charites.common.sign_in_form import CountedSignInForm, with_limit
from charites.dashboard import read_dashboard

admin.site.site_header = "charites"
admin.site.site_title = "charites"
admin.site.index_template = "charites/dashboard.html"

admin.site.unregister([Group, User])


@admin.register(Group)
class TypedGroupAdmin(AskedAdmin, GroupAdmin):
    formfield_overrides = TYPED


@admin.register(User)
class TypedUserAdmin(AskedAdmin, UserAdmin):
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


def first_page(request: HttpRequest) -> HttpResponse:
    """How the shop is doing, above the list of what there is."""
    return admin.site.index(request, {"dashboard": read_dashboard(request.user, clock.now())})
