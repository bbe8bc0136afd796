"""Password hashes, of which only so many are made at once: each takes a core for a third of a second."""

import threading

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from charites.common.errors import Why, busy

at_work = threading.BoundedSemaphore(settings.PASSWORD_HASHINGS)


class BoundedPasswordHasher(PBKDF2PasswordHasher):
    """Django's own, in turns."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Raises Busy when no turn comes within WEB_WAIT_SECONDS."""
        if not at_work.acquire(timeout=settings.WEB_WAIT_SECONDS):
            raise busy(Why.PASSWORDS)
        try:
            return super().encode(password, salt, iterations)
        finally:
            at_work.release()
