"""`manage.py` offers what works, and nothing else."""

from django.core.management import get_commands

from charites.apps import NO_COMMANDS


def test_commands_that_do_not_work_are_not_offered() -> None:
    commands = get_commands()

    assert [name for name in NO_COMMANDS if name in commands] == []
    assert {"migrate", "audit", "grpcserver", "sweep", "spectacular"} < commands.keys()
