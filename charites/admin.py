"""The name of the admin, and what is typed into the pages that Django brings."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User

from charites.common.forms import TYPED

admin.site.site_header = "charites"
admin.site.site_title = "charites"

admin.site.unregister([Group, User])


@admin.register(Group)
class TypedGroupAdmin(GroupAdmin):
    formfield_overrides = TYPED


@admin.register(User)
class TypedUserAdmin(UserAdmin):
    formfield_overrides = TYPED
