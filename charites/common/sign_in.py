"""How often somebody may try to sign in or to renew a token, through the API and through the admin alike.

Each attempt counts for its address, and for the user name as that address tries it, whether or not there is such a
user. All addresses together have a few times as much for one name: who guesses with many of them gets no further, and
one address alone keeps nobody out.
"""

import unicodedata
from datetime import datetime
from hashlib import blake2b

from django.conf import settings

from charites.common.addresses import network_of
from charites.common.rates import Rate, Rates, parse_rate, take_or_refuse

ADDRESSES_A_NAME = 5  # whose attempts together are too many

_of_addresses, _of_pairs, _of_names = Rates("sign-in-address"), Rates("sign-in-pair"), Rates("sign-in-name")
_renewals = Rates("renewal-address")


def count_attempt(*, username: str, address: str, now: datetime) -> None:
    """Counts an attempt to sign in, before anybody looks at the password. Raises Limited: then it was not looked at."""
    a_name, name, network = parse_rate(settings.TOKEN_NAME_RATE), digest(username), network_of(address)
    everybody = a_name and Rate(a_name.times * ADDRESSES_A_NAME, a_name.seconds)
    take_or_refuse(_of_addresses, network, parse_rate(settings.TOKEN_RATE), now)
    take_or_refuse(_of_pairs, f"{network}:{name}", a_name, now)
    take_or_refuse(_of_names, name, everybody, now)


def count_renewal(*, address: str, now: datetime) -> None:
    """Counts a token that is to be renewed. Raises Limited: then it was not looked at."""
    take_or_refuse(_renewals, network_of(address), parse_rate(settings.TOKEN_REFRESH_RATE), now)


def digest(username: str) -> str:
    """A user name, so that what a database takes for the same name is the same here: without accents, capitals, blanks
    and what is not seen. No name lies in Redis."""
    plain = unicodedata.normalize("NFKD", username).casefold()
    seen = "".join(letter for letter in plain if unicodedata.category(letter)[0] not in "MCZ")
    return blake2b(seen.encode("utf-8", "replace"), digest_size=16).hexdigest()


def is_same_name(typed: str, name: str) -> bool:
    """Whether a name and the one that it was found by have the same budget. Databases take more for the same - ı for i,
    some of them the digits of every script - and to guess by those would have a budget for each."""
    return digest(typed) == digest(name)


def clear() -> None:
    """Forgets what this process knows."""
    for rates in (_of_addresses, _of_pairs, _of_names, _renewals):
        rates.clear()
