"""A crowd that buys: `python -m lab.crowd.buyers FILE LOCK`, which a room's desk starts.

FILE says what is wanted (`lab.crowd.runs`), and is told how far it is. LOCK is the number of an open file that nobody
else may have meanwhile. Every buyer is a user with a token and a request of its own, over HTTP, as any client's.
"""

import asyncio
import os
import signal
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import django
import httpx
import structlog

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
django.setup()

from django.conf import settings  # noqa: E402 (after setup)

from charites.common import clock  # noqa: E402
from charites.common.auth import Role, issue_token  # noqa: E402
from lab.crowd.answers import Answer, counted, read_answer  # noqa: E402
from lab.crowd.rows import compare_rows  # noqa: E402
from lab.crowd.runs import Run, State, read, write  # noqa: E402
from lab.crowd.users import make_users  # noqa: E402

AT_ONCE = 100  # requests under way
REPORT_SECONDS = 0.2
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used: to make one with certificates takes each client a while
BUYING_SECONDS = 60.0  # whoever has no answer by then has none
MOST_SECONDS = 120  # the program itself, whatever hangs
RECEIVER = {"address": "1 Harbour Road", "phone": "138 0000 0000"}
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Crowd:
    """What is wanted, the users who do it (user id -> token), and what they have been told by now."""

    run: Run
    tokens: Mapping[int, str]
    answers: dict[int, Answer]

    def result(self) -> Run:
        """The run as it stands."""
        told, why = counted(self.answers.values())
        return replace(self.run, told=told, why=why)


async def buy_all(crowd: Crowd, file: Path) -> float:
    """Lets everybody try, once each; returns how many seconds that took. Reports to the file meanwhile."""
    begun = time.monotonic()
    waiting = iter(crowd.tokens.items())
    reporting = asyncio.create_task(report(crowd, file))
    with suppress(TimeoutError):
        async with asyncio.timeout(BUYING_SECONDS), asyncio.TaskGroup() as hands:
            for _ in range(min(AT_ONCE, len(crowd.tokens))):
                hands.create_task(buy_in_turn(crowd, waiting))
    reporting.cancel()
    return time.monotonic() - begun


def shop_address() -> str:
    """Where the shop itself listens, which in the demo is this machine."""
    host = settings.HTTP_HOST.strip("[]")
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.HTTP_PORT}"


async def buy_in_turn(crowd: Crowd, waiting: Iterator[tuple[int, str]]) -> None:
    """One after the other on one connection, as many as are left. A client for all of them would look at every
    connection for every request, which takes longer than the request."""
    async with httpx.AsyncClient(base_url=shop_address(), timeout=TIMEOUT, verify=NO_TLS, trust_env=False) as client:
        for user_id, token in waiting:
            crowd.answers[user_id] = await buy(client, crowd.run, token)


async def buy(client: httpx.AsyncClient, run: Run, token: str) -> Answer:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": run.key}
    items = [{"goods_id": str(run.goods_id), "quantity": run.quantity}]
    body = {"items": items, "room_id": str(run.room_id), "name": "Crowd", **RECEIVER}
    try:
        return read_answer(await client.post("/api/orders", json=body, headers=headers))
    except httpx.TransportError as error:
        return Answer(why=repr(error))


async def report(crowd: Crowd, file: Path) -> None:
    while True:
        write(crowd.result(), file)
        await asyncio.sleep(REPORT_SECONDS)


def carry_out(run: Run, file: Path) -> Run:
    """Makes the users, lets them buy, and looks at the rows."""
    now = clock.now()
    user_ids = make_users(run.buyers)
    tokens = {user_id: issue_token(user_id=user_id, role=Role.CUSTOMER, now=now) for user_id in user_ids}
    crowd = Crowd(run, tokens, {})
    seconds = asyncio.run(buy_all(crowd, file))
    crowd.answers |= {user_id: Answer() for user_id in tokens if user_id not in crowd.answers}
    return replace(
        crowd.result(),
        state=State.DONE,
        seconds=round(seconds, 2),
        rows=compare_rows(run, crowd.answers),
    )


def main(file: Path, lock: int) -> None:
    signal.alarm(MOST_SECONDS)
    run = read(file)
    try:
        ended = carry_out(run, file)
    except Exception:
        log.exception("crowd_failed")
        ended = replace(run, state=State.FAILED)
    write(ended, file)
    os.close(lock)  # last: who sees that it is free sees the end of this run, too


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
