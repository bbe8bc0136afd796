from datetime import timedelta

from django.utils import timezone

from messaging import wakeups


def asked(task):
    return [name for name, _slot in wakeups._wakeups._asked if name == task]


def test_wake_up_at_for_a_time_that_has_passed_sets_none():
    wakeups.wake_up_at("of the past", timezone.now() - timedelta(seconds=1))
    wakeups.wake_up_at("of the future", timezone.now() + timedelta(hours=1))

    assert asked("of the past") == []
    assert asked("of the future") == ["of the future"]
