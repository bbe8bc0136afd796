"""What DEBUG's pages for programmers tell: anybody who reaches the shop may see one."""

import re
from typing import Any

from django.views.debug import SafeExceptionReporterFilter

IN_ADDRESS = re.compile(r"(?<=://)[^/\s]+@")  # up to the last one: a password may have its own


class PasswordsInAddresses(SafeExceptionReporterFilter):
    """Django's own, which goes by the names of settings, and leaves the password in an address of a server."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        return IN_ADDRESS.sub(f"{self.cleansed_substitute}@", cleansed) if isinstance(cleansed, str) else cleansed
