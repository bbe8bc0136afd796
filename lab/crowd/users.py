"""The users of a crowd. Nobody can sign in as one of them: they have no password."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from charites.common.transactions import run

MOST_BUYERS = 500


def name_of(number: int) -> str:
    return f"crowd-{number:03}"


def all_names() -> list[str]:
    return [name_of(number) for number in range(1, MOST_BUYERS + 1)]


def make_users(count: int) -> list[int]:
    """Makes those of the first `count` users that are missing; returns the ids of all of them."""
    names = all_names()[:count]

    def make() -> None:
        known = set(User.objects.filter(username__in=names).values_list("username", flat=True))
        User.objects.bulk_create(
            User(username=name, password=make_password(None)) for name in names if name not in known
        )

    run(make, name="make_crowd")
    return list(User.objects.filter(username__in=names).order_by("username").values_list("pk", flat=True))
