"""A private gRPC server of one strategy: `python -m lab.race.strategy_server <path of the strategy's class>`.

It listens on a free loopback port and serves `Stock` alone, until its parent closes the conversation.
"""

import asyncio
import sys

import django

django.setup()

from charites.common.rpc import methods_of, serving  # noqa: E402 (after setup)
from lab.race.child import Link, retries, use  # noqa: E402
from stock.rpc.servicers import StockServicer  # noqa: E402


async def serve(link: Link) -> None:
    async with serving(methods_of(StockServicer), address="127.0.0.1:0") as port:
        link.say(port=port)
        await asyncio.to_thread(link.wait)
        link.say(retries=retries())
        await asyncio.to_thread(sys.stdin.read)


def main(strategy: str) -> None:
    link = Link()
    use(strategy)
    asyncio.run(serve(link))


if __name__ == "__main__":
    main(sys.argv[1])
