from charites.common.passwords import BoundedPasswordHasher


class QuickPasswordHasher(BoundedPasswordHasher):
    """One round instead of a million. The hash says how many, so that the processes of a shop can check it too."""

    iterations = 1
