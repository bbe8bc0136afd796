"""Texts of Django's admin for which its Chinese catalogue has nothing: named here, they are in ours, which is looked in
first."""

from django.utils.translation import gettext_lazy as _

UNTRANSLATED = (
    _("Model name"),
    _("Add link"),
    _("Change or view list link"),
    _("Error:"),
    _("After you’ve created a user, you’ll be able to edit more user options."),
)
