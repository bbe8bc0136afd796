"""The runner: how each transaction ended, what is run again, what is asked, and what callers are told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError

from charites.common import transactions
from charites.common.errors import Busy, NotFound, OutcomeUnknown
from charites.common.transactions import (
    RETRIES,
    Limits,
    NestedTransaction,
    NoTransaction,
    Stale,
    Undone,
    Unit,
    after_commit,
    expect_rows,
    outermost,
    reading_the_answer,
    required,
    run,
    run_set,
)
from lab.kit.interleaving import Interruption, LostCommit

pytestmark = pytest.mark.django_db(transaction=True)

DEADLOCK = OperationalError(1213, "Deadlock found")
CUT = OperationalError(2013, "Lost connection")
TOO_MANY = OperationalError(1040, "Too many connections")
NO_SUCH_VALUE = OperationalError(1366, "Incorrect string value")
AGAIN = [
    ("deadlock", DEADLOCK),
    ("lock_wait", OperationalError(1205, "Lock wait timeout exceeded")),
    ("stale", Stale("row")),
    ("stale", OperationalError(1020, "Record has changed")),
    ("cut", CUT),
    ("cut", OperationalError(2006, "Gone away")),
    ("cut", OperationalError(1927, "Connection was killed")),
]


class Time:
    """The runner's clock: nothing waits, and `seconds` is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(transactions, "time", SimpleNamespace(monotonic=time.monotonic, sleep=time.sleep))
    return time


class Names(Unit[str, str]):
    """Stores groups of these names. `fails`: what the tries raise, one after the other, after they have written;
    `bad`: names whose transaction raises, whenever it is run."""

    name = "names"

    def __init__(self, *fails: Exception | None, bad: Mapping[str, Exception] | None = None) -> None:
        self.fails, self.bad = list(fails), bad or {}
        self.tried: list[tuple[list[str], int]] = []
        self.known: dict[str, str] = {}
        self.asked_before: list[tuple[list[str], int]] = []
        self.asked_after: list[list[str]] = []
        self.can_find = True

    def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
        self.asked_before.append((list(items), attempt))
        return {item: self.known[item] for item in items if item in self.known}

    def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
        self.tried.append((list(items), attempt))
        Group.objects.bulk_create(Group(name=item) for item in items)
        if self.fails and (error := self.fails.pop(0)):
            raise error
        for item in items:
            if item in self.bad:
                raise self.bad[item]
        return dict.fromkeys(items, "done")

    def find(self, items: Sequence[str]) -> Mapping[str, str] | None:
        self.asked_after.append(list(items))
        assert connection.in_atomic_block
        stored = Group.objects.filter(name__in=items).select_for_update().values_list("name", flat=True)
        return dict.fromkeys(stored, "found") if self.can_find else None

    def undone(self, item: str, how: Undone, error: Exception) -> str:
        return f"{item} {how.value}: {error}"


def stored() -> list[str]:
    return sorted(Group.objects.values_list("name", flat=True))


def retries(reason: str) -> float:
    return RETRIES.labels("names", reason)._value.get()


# What works


def test_items_are_done_in_one_transaction_and_answered_one_by_one() -> None:
    names = Names()

    assert run_set(["a", "b"], names) == {"a": "done", "b": "done"}

    assert names.tried == [(["a", "b"], 0)]
    assert (stored(), names.asked_after) == (["a", "b"], [])


def test_items_that_are_answered_before_need_no_transaction() -> None:
    names = Names()
    names.known = {"a": "known"}

    assert run_set(["a", "b"], names) == {"a": "known", "b": "done"}
    assert run_set(["a"], names) == {"a": "known"}

    assert names.tried == [(["b"], 0)]
    assert stored() == ["b"]


# What is run again


@pytest.mark.parametrize(("reason", "error"), AGAIN, ids=[str(error.args[0]) for _, error in AGAIN])
def test_what_gave_way_is_undone_and_run_again_from_the_start(time: Time, reason: str, error: Exception) -> None:
    names, counted = Names(error, error), retries(reason)

    assert run_set(["a", "b"], names) == {"a": "done", "b": "done"}

    assert names.tried == [(["a", "b"], attempt) for attempt in range(3)] == names.asked_before
    assert stored() == ["a", "b"]
    assert (len(time.pauses), retries(reason) - counted) == (2, 2)
    assert names.asked_after == []


def test_update_of_locked_rows_that_misses_some_has_all_of_it_run_again() -> None:
    class Counting(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            done = super().work(items, attempt)
            expect_rows(Group.objects.filter(name__in=items).count() - (not attempt), len(items))
            return done

    names = Counting()

    assert run_set(["a", "b"], names) == {"a": "done", "b": "done"}
    assert (len(names.tried), stored()) == (2, ["a", "b"])


def test_a_second_look_may_answer_what_the_first_try_lost() -> None:
    names = Names(DEADLOCK)
    found = names.before

    def before(items: Sequence[str], attempt: int) -> Mapping[str, str]:
        names.known = {"a": "known"} if attempt else {}
        return found(items, attempt)

    names.before = before  # type: ignore[method-assign]

    assert run_set(["a", "b"], names) == {"a": "known", "b": "done"}
    assert names.tried == [(["a", "b"], 0), (["b"], 1)]


def test_tries_are_bounded_and_end_as_busy_with_nothing_written(time: Time) -> None:
    names = Names(*[DEADLOCK] * 9)

    answers = run_set(["a"], names, Limits(tries=4, seconds=60))

    assert answers == {"a": f"a busy: {DEADLOCK}"}
    assert ([attempt for _, attempt in names.tried], len(time.pauses)) == ([0, 1, 2, 3], 3)
    assert stored() == []


def test_what_was_answered_before_stays_answered_when_the_others_are_busy() -> None:
    names = Names(*[DEADLOCK] * 9)
    names.known = {"a": "known"}

    assert run_set(["a", "b"], names) == {"a": "known", "b": f"b busy: {DEADLOCK}"}


@pytest.mark.parametrize(("seconds", "tries"), [(4.0, 3), (3.0, 3), (2.9, 2), (0, 1)])
def test_no_try_begins_after_the_deadline(time: Time, seconds: float, tries: int) -> None:
    class Slow(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            time.seconds += 1.5
            return super().work(items, attempt)

    names = Slow(*[DEADLOCK] * 9)

    assert run_set(["a"], names, Limits(tries=9, seconds=seconds)) == {"a": f"a busy: {DEADLOCK}"}
    assert len(names.tried) == tries


def test_limits_are_those_of_the_settings(settings: Any) -> None:
    settings.TRANSACTION_TRIES = 2
    names = Names(*[DEADLOCK] * 9)
    run_set(["a"], names)
    assert len(names.tried) == 2

    settings.TRANSACTION_DEADLINE_SECONDS = -1
    hasty = Names(*[DEADLOCK] * 9)
    run_set(["a"], hasty)
    assert len(hasty.tried) == 1


@pytest.mark.parametrize("attempt", [0, 1, 6, 7, 9_999])
def test_pauses_double_up_to_a_bound_and_are_drawn_by_lot(time: Time, attempt: int) -> None:
    longest = 0.002 * 2 ** min(attempt, 6)
    for _ in range(200):
        transactions.pause(attempt)

    assert 0 <= min(time.pauses) < longest / 4
    assert longest * 3 / 4 < max(time.pauses) <= longest


def test_each_pause_is_that_of_its_try(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "random", SimpleNamespace(uniform=lambda low, high: high))

    run_set(["a"], Names(*[DEADLOCK] * 9), Limits(tries=5, seconds=60))

    assert time.pauses == [0.002, 0.004, 0.008, 0.016]


def test_what_must_not_share_a_transaction_is_apart_once_it_is_run_again() -> None:
    class Apart(Names):
        def apart(self, items: Sequence[str]) -> list[Sequence[str]]:
            return [[item] for item in items]

    names = Apart(DEADLOCK)

    assert run_set(["a", "b"], names) == {"a": "done", "b": "done"}
    assert names.tried == [(["a", "b"], 0), (["a"], 1), (["b"], 1)]

    lone = Apart(DEADLOCK)
    assert run_set(["c"], lone) == {"c": "done"}
    assert lone.tried == [(["c"], 0), (["c"], 1)]


def test_what_was_answered_before_stays_answered_when_the_others_are_run_apart() -> None:
    class Apart(Names):
        def apart(self, items: Sequence[str]) -> list[Sequence[str]]:
            return [[item] for item in items]

    names = Apart(DEADLOCK)
    names.known = {"a": "known"}

    assert run_set(["a", "b", "c"], names) == {"a": "known", "b": "done", "c": "done"}
    assert names.tried == [(["b", "c"], 0), (["b"], 1), (["c"], 1)]


@pytest.mark.servers
def test_a_connection_that_is_cut_before_commit_is_opened_again() -> None:
    class Cut(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if not attempt:
                Group.objects.create(name="of the first try")
                cut_connection()
            return super().work(items, attempt)

    names = Cut()

    assert run_set(["a"], names) == {"a": "done"}
    assert ([attempt for _, attempt in names.tried], stored()) == ([0, 1], ["a"])


def cut_connection() -> None:
    with connection.cursor() as cursor, suppress(OperationalError):
        cursor.execute("KILL CONNECTION CONNECTION_ID()")


@pytest.mark.servers
def test_a_connection_that_is_cut_during_the_search_is_left_behind() -> None:
    class Cut(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if attempt:
                cut_connection()
                stored()
            return {}

    (answer,) = run_set(["a"], Cut(bad={"a": NotFound()})).values()

    assert answer.startswith("a busy: (20")
    assert stored() == []


@pytest.mark.servers
def test_a_connection_that_is_cut_before_the_first_statement_is_opened_again() -> None:
    class Cut(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if not attempt:
                cut_connection()
            stored()
            return super().before(items, attempt)

    names = Cut()

    assert run_set(["a"], names) == {"a": "done"}
    assert names.tried == [(["a"], 1)]


@pytest.mark.servers
def test_a_connection_that_is_cut_between_two_looks_after_a_lost_commit_is_opened_again(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names()
    away = Interruption(TOO_MANY, at="SELECT .*auth_group", times=1)

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if len(time.pauses) == 1:
            cut_connection()

    monkeypatch.setattr(transactions.time, "sleep", sleep)

    with LostCommit(carried_out=True, error=CUT), connection.execute_wrapper(away):
        assert run_set(["a"], names) == {"a": "found"}

    assert len(names.asked_after) == 2
    assert len(time.pauses) == 2  # the look between could not even begin


# What is not run again


@pytest.mark.parametrize("error", [TOO_MANY, InterfaceError(0, "closed"), OperationalError()])
def test_an_outage_that_is_no_reason_to_try_again_is_busy_for_all(time: Time, error: Exception) -> None:
    names = Names(*[error] * 9)

    assert run_set(["a", "b"], names) == {item: f"{item} busy: {error}" for item in "ab"}
    assert (names.tried, time.pauses, stored()) == ([(["a", "b"], 0)], [], [])


@pytest.mark.parametrize("error", [NotFound(), IntegrityError("no"), NO_SUCH_VALUE, ValueError("no")])
def test_what_its_work_raises_is_refused_and_not_called_busy(time: Time, error: Exception) -> None:
    names = Names(bad={"a": error})

    assert run_set(["a"], names) == {"a": f"a refused: {error}"}
    assert (names.tried, time.pauses, stored()) == ([(["a"], 0)], [], [])


def test_one_that_spoils_the_batch_is_found_and_the_others_are_done() -> None:
    names = Names(bad={"d": NotFound()})

    answers = run_set(list("abcde"), names)

    assert answers == {**dict.fromkeys("abce", "done"), "d": f"d refused: {NotFound()}"}
    assert [items for items, _ in names.tried] == [
        list("abcde"),
        ["a", "b"],
        ["c", "d", "e"],
        ["c"],
        ["d", "e"],
        ["d"],
        ["e"],
    ]
    assert stored() == list("abce")


def test_each_of_several_that_spoil_a_batch_gets_its_own_error() -> None:
    names = Names(bad={"a": NotFound(), "c": ValueError("c")})

    answers = run_set(list("abc"), names)

    assert answers == {"a": f"a refused: {NotFound()}", "b": "done", "c": "c refused: c"}


def test_what_was_answered_before_stays_answered_when_the_others_are_bisected() -> None:
    names = Names(bad={"b": NotFound()})
    names.known = {"a": "known"}

    assert run_set(list("abc"), names) == {"a": "known", "b": f"b refused: {NotFound()}", "c": "done"}


def test_the_late_one_of_two_duplicates_gets_the_answer_of_the_first() -> None:
    """Somebody else stores the name between the look before and the insert."""

    class Late(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            self.known = {"a": "known"}
            return super().work(items, attempt)

    names = Late(bad={"a": IntegrityError("duplicate")})

    assert run_set(["a"], names) == {"a": "known"}
    assert names.asked_before == [(["a"], 0), (["a"], 1)]


@pytest.mark.parametrize(("problem", "how"), [(DEADLOCK, "busy"), (TOO_MANY, "busy"), (ValueError("no"), "refused")])
def test_a_look_after_the_search_that_fails_is_answered_by_its_own_error(problem: Exception, how: str) -> None:
    class Blind(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if attempt:
                raise problem
            return {}

    assert run_set(["a"], Blind(bad={"a": NotFound()})) == {"a": f"a {how}: {problem}"}


def test_a_look_before_that_finds_the_database_away_is_tried_again_like_work() -> None:
    class Blind(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            if not attempt:
                raise CUT
            return {}

    names = Blind()

    assert run_set(["a"], names) == {"a": "done"}
    assert names.tried == [(["a"], 1)]


@pytest.mark.parametrize(("problem", "how"), [(CUT, "busy"), (ValueError("no"), "refused")])
def test_a_look_before_that_never_works_is_answered_by_its_own_error(problem: Exception, how: str) -> None:
    class Blind(Names):
        def before(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            raise problem

    assert run_set(["a", "b"], Blind()) == {item: f"{item} {how}: {problem}" for item in "ab"}


def test_work_that_swallows_an_error_of_the_database_is_not_called_done() -> None:
    """Django would roll back without a word."""

    class Swallowing(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            done = super().work(items, attempt)
            try:
                Group(name="there").save(force_insert=True)
            except IntegrityError:
                return done
            raise AssertionError("it was not there")

    Group.objects.create(name="there")

    (answer,) = run_set(["a"], Swallowing()).values()

    assert answer.startswith("a refused: ")
    assert stored() == ["there"]


# COMMIT without a reply


@pytest.mark.parametrize("error", [CUT, DEADLOCK, IntegrityError("at commit")])
@pytest.mark.parametrize(("carried_out", "told"), [(True, "found"), (False, "a busy: {}")])
def test_commit_without_a_reply_is_resolved_by_reading_and_never_run_again(
    time: Time, error: Exception, carried_out: bool, told: str
) -> None:
    names = Names()

    with LostCommit(carried_out=carried_out, error=error):
        answers = run_set(["a"], names)

    assert answers == {"a": told.format(error)}
    assert (names.tried, names.asked_after) == ([(["a"], 0)], [["a"]])
    assert (stored(), time.pauses) == (["a"] if carried_out else [], [])


def test_each_item_of_a_lost_commit_gets_its_own_answer() -> None:
    Group.objects.create(name="b")
    names = Names()
    names.known = {"c": "known"}
    names.work = lambda items, attempt: dict.fromkeys(items, "done")  # type: ignore[method-assign]

    with LostCommit(carried_out=False, error=CUT):
        answers = run_set(["a", "b", "c"], names)

    assert answers == {"a": f"a busy: {CUT}", "b": "found", "c": "known"}
    assert names.asked_after == [["a", "b"]]


def test_commit_that_nobody_can_look_up_is_unknown() -> None:
    names = Names()
    names.can_find = False

    with LostCommit(carried_out=True, error=CUT):
        assert run_set(["a"], names) == {"a": f"a unknown: {CUT}"}

    assert names.asked_after == []


def test_look_after_a_lost_commit_is_repeated_while_the_database_is_away(time: Time) -> None:
    names = Names()
    away = Interruption(TOO_MANY, at="SELECT .*auth_group", times=2)

    with LostCommit(carried_out=True, error=CUT), connection.execute_wrapper(away):
        assert run_set(["a"], names) == {"a": "found"}

    assert (len(names.asked_after), len(time.pauses)) == (3, 2)


@pytest.mark.parametrize("problem", [TOO_MANY, IntegrityError("whatever it is")])
def test_database_that_stays_away_leaves_it_unknown_after_as_many_looks(time: Time, problem: Exception) -> None:
    names = Names()
    away = Interruption(problem, at="SELECT .*auth_group", times=99)

    with LostCommit(carried_out=True, error=CUT), connection.execute_wrapper(away):
        assert run_set(["a"], names, Limits(tries=3, seconds=60)) == {"a": f"a unknown: {CUT}"}

    assert (len(names.asked_after), len(time.pauses)) == (3, 3)


@pytest.mark.parametrize(("seconds", "looks"), [(4.0, 3), (3.0, 3), (2.9, 2)])
def test_looks_after_a_lost_commit_end_at_the_deadline(time: Time, seconds: float, looks: int) -> None:
    class Slow(Names):
        def find(self, items: Sequence[str]) -> Mapping[str, str] | None:
            time.seconds += 1.5
            self.asked_after.append(list(items))
            raise TOO_MANY

    names = Slow()

    with LostCommit(carried_out=True, error=CUT):
        assert run_set(["a"], names, Limits(tries=99, seconds=seconds)) == {"a": f"a unknown: {CUT}"}

    assert len(names.asked_after) == looks


def test_look_whose_own_commit_is_lost_is_repeated() -> None:
    names = Names()

    with LostCommit(carried_out=True, error=CUT, times=2):
        assert run_set(["a"], names) == {"a": "found"}

    assert len(names.asked_after) == 2


def test_error_of_a_hook_after_commit_does_not_undo_what_is_done() -> None:
    class Hooked(Names):
        def work(self, items: Sequence[str], attempt: int) -> Mapping[str, str]:
            transaction.on_commit(lambda: (_ for _ in ()).throw(ValueError("hook")))
            return super().work(items, attempt)

    names = Hooked()

    assert run_set(["a"], names) == {"a": "found"}
    assert (len(names.tried), stored()) == (1, ["a"])


def test_error_that_comes_after_the_transaction_is_no_refusal() -> None:
    """Such as a lock in Redis that cannot be given back."""

    class Around(Names):
        @staticmethod
        @contextmanager
        def begin() -> Iterator[None]:
            with outermost():
                yield
            raise ConnectionError("lock")

    names = Around()

    assert run_set(["a"], names) == {"a": "found"}
    assert stored() == ["a"]


# One thing


def make_group() -> str:
    return Group.objects.create(name="a").name


def test_run_returns_what_its_work_returns() -> None:
    assert run(make_group, name="one") == "a"
    assert stored() == ["a"]


@pytest.mark.parametrize("error", [NotFound(), IntegrityError("no"), NO_SUCH_VALUE, KeyError("k")])
def test_run_raises_the_very_error_of_its_work_and_writes_nothing(error: Exception) -> None:
    def work() -> None:
        make_group()
        raise error

    with pytest.raises(type(error)) as caught:
        run(work, name="one")

    assert caught.value is error
    assert stored() == []


def test_run_whose_work_would_be_rolled_back_without_a_word_is_refused() -> None:
    def work() -> str:
        transaction.set_rollback(True)
        return make_group()

    with pytest.raises(TransactionManagementError):
        run(work, name="one")

    assert stored() == []


def test_run_that_gave_way_too_often_is_busy_because_of_that() -> None:
    with connection.execute_wrapper(Interruption(DEADLOCK, at="INSERT", times=99)), pytest.raises(Busy) as caught:
        run(make_group, name="one")

    assert caught.value.__cause__ is DEADLOCK


def found() -> str:
    return "found"


@pytest.mark.parametrize(
    ("find", "told"), [(found, "found"), (lambda: Undone.BUSY, Busy), (lambda: Undone.UNKNOWN, OutcomeUnknown)]
)
def test_run_whose_commit_is_lost_asks_its_find(find: Callable[[], Any], told: Any) -> None:
    with LostCommit(carried_out=True, error=CUT):
        if told == "found":
            assert run(make_group, name="one", find=find) == told
            return
        with pytest.raises(told) as caught:
            run(make_group, name="one", find=find)

    assert caught.value.__cause__ is CUT


def test_run_without_a_find_is_unknown_when_its_commit_is_lost() -> None:
    with LostCommit(carried_out=True, error=CUT), pytest.raises(OutcomeUnknown) as caught:
        run(make_group, name="one")

    assert caught.value.__cause__ is CUT


def test_run_whose_find_finds_nothing_in_words_is_not_taken_for_busy() -> None:
    with LostCommit(carried_out=True, error=CUT):
        assert run(make_group, name="one", find=lambda: None) is None


# Intents


@pytest.mark.parametrize("call", [lambda: run(make_group, name="one"), lambda: run_set(["a"], Names())])
def test_transaction_that_may_be_run_again_is_refused_inside_another(call: Callable[[], object]) -> None:
    with transaction.atomic(), pytest.raises(NestedTransaction):
        call()

    assert stored() == []


def test_outermost_is_refused_inside_another_and_commits_alone() -> None:
    with transaction.atomic(), pytest.raises(NestedTransaction), outermost():
        raise AssertionError("begun")
    with outermost():
        make_group()
        assert connection.in_atomic_block
    assert not connection.in_atomic_block
    assert stored() == ["a"]


@pytest.mark.django_db(transaction=False)
def test_transaction_of_a_test_case_is_nobodys() -> None:
    assert run(make_group, name="one") == "a"
    with transaction.atomic(), pytest.raises(NestedTransaction):
        run(make_group, name="one")


def test_what_needs_a_transaction_is_refused_without_one() -> None:
    with pytest.raises(NoTransaction):
        required()
    with outermost():
        required()


def test_after_commit_is_called_after_commit_and_its_error_undoes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    called = []

    def call() -> None:
        called.append(stored())
        raise ValueError("told nobody")

    def work() -> str:
        after_commit(call)
        return make_group() if not called else ""

    assert run(work, name="one", find=lambda: Undone.UNKNOWN) == "a"
    assert called == [["a"]]


def test_after_commit_is_not_called_when_nothing_was_committed() -> None:
    called = []

    def work() -> None:
        after_commit(lambda: called.append(1))
        raise NotFound

    with pytest.raises(NotFound):
        run(work, name="one")

    assert called == []


@pytest.mark.parametrize("error", [TOO_MANY, InterfaceError(0, "closed")])
def test_answer_that_cannot_be_read_after_the_commit_is_unknown(error: Exception) -> None:
    with pytest.raises(OutcomeUnknown) as caught, reading_the_answer():
        raise error

    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [NotFound(), IntegrityError("no"), DatabaseError("no")])
def test_other_errors_of_reading_an_answer_are_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, reading_the_answer():
        raise error

    assert caught.value is error


def test_halves_and_parts_share_the_tries_of_their_set() -> None:
    class Apart(Names):
        def apart(self, items: Sequence[str]) -> list[Sequence[str]]:
            return [[item] for item in items]

    names = Apart(*[DEADLOCK] * 9)

    answers = run_set(["a", "b"], names, Limits(tries=3, seconds=60))

    assert set(answers) == {"a", "b"}
    assert max(attempt for _, attempt in names.tried) == 2
