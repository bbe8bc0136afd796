"""The field of a form that takes a picture; see `charites.common.pictures`."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from charites.common import pictures

UNFIT = _("This picture cannot be made small enough here. Choose another one.")


class PictureInput(forms.FileInput):
    """A page with it has a script that makes a large picture smaller before it is sent."""

    class Media:
        js = ("charites_common/pictures.js",)

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        most = settings.REQUEST_MAX_BYTES  # of all of the form: what else is in it, the script knows
        words = {"accept": pictures.ACCEPTED, "data-picture": "ready", "data-request-bytes": most}
        told = {"data-busy": _("The picture is made smaller …"), "data-done": _("Made smaller:"), "data-unfit": UNFIT}
        return super().get_context(name, value, {**(attrs or {}), **words, **told})


class PictureField(forms.FileField):
    """An optional file. In the form it is cleaned to a picture that may be stored; None: there is none."""

    widget = PictureInput

    def __init__(self, **options: Any) -> None:
        help_text = _("JPEG, PNG or WebP. The page makes it smaller where it has to be.")
        super().__init__(required=False, help_text=help_text, **options)

    def clean(self, data: Any, initial: Any = None) -> Any:
        file = super().clean(data, initial)
        if not file or not pictures.may_upload():
            return None
        try:
            return pictures.made_anew(file.read())
        except pictures.Unfit as reason:
            raise forms.ValidationError(str(reason)) from reason


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]  # of any model
    """A form with a field `upload`. Valid, it has stored the picture, with the address `uploaded`; who names it then,
    in a row, does so under `pictures.unless_refused`."""

    uploaded = ""

    def _post_clean(self) -> None:
        """Comes after every `clean`, and looks at the row: what is stored for a form that is wrong stays for good."""
        super()._post_clean()  # type: ignore[misc]  # Django's own hook, which its stubs leave out
        picture = self.cleaned_data.get("upload")
        if picture and not self.errors:
            try:
                self.uploaded = pictures.store(picture)
            except pictures.Unfit as reason:
                self.add_error("upload", str(reason))
