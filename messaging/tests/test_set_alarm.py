from datetime import timedelta

from django.utils import timezone

from messaging import alarm


def asked(task):
    return [name for name, _slot in alarm._alarm._asked if name == task]


def test_set_alarm_for_a_time_that_has_passed_sets_none():
    alarm.set_alarm("of the past", timezone.now() - timedelta(seconds=1))
    alarm.set_alarm("of the future", timezone.now() + timedelta(hours=1))

    assert asked("of the past") == []
    assert asked("of the future") == ["of the future"]
