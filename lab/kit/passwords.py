from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickPasswordHasher(PBKDF2PasswordHasher):
    """One round instead of a million. The hash says how many, so that the processes of a shop can check it too."""

    iterations = 1
