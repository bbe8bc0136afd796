"""The name of the admin."""

from django.contrib import admin

admin.site.site_header = "charites"
admin.site.site_title = "charites"
