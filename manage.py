#!/usr/bin/env python
"""Every command of the project: `python manage.py help`."""

import os
import sys

import django

from charites.version import VERSION

SERVERS = {"grpcserver", "sweep"}


def main() -> None:
    if sys.argv[1:] in (["version"], ["--version"]):
        sys.stdout.write(f"charites {VERSION}, Django {django.get_version()}\n")
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
    if not SERVERS.intersection(sys.argv[1:2]):
        # Nobody's request hangs on a migration or an audit: one statement may take as long as it takes.
        os.environ.setdefault("DATABASE_TIMEOUT_SECONDS", "0")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 (settings come first)

    from charites.start import refusals  # noqa: PLC0415

    with refusals():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
