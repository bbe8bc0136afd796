"""A private gRPC server of one strategy: `python -m lab.race.strategy_server <path of the strategy's class> <service>`.

It listens on a free loopback port and serves `Stock` or `Order` alone, until its parent closes the conversation.
"""

import asyncio
import sys

import django

django.setup()

from charites.common.rpc import methods_of, serving  # noqa: E402 (after setup)
from lab.race.child import Link, retries, use  # noqa: E402
from orders.rpc.servicers import OrderServicer  # noqa: E402
from stock.rpc.servicers import StockServicer  # noqa: E402

SERVICES = {"Stock": StockServicer, "Order": OrderServicer}


async def serve(link: Link, service: str) -> None:
    async with serving(methods_of(SERVICES[service]), address="127.0.0.1:0") as port:
        link.say(port=port)
        await asyncio.to_thread(link.wait)
        link.say(retries=retries())
        await asyncio.to_thread(sys.stdin.read)


def main(strategy: str, service: str) -> None:
    link = Link()
    use(strategy)
    asyncio.run(serve(link, service))


if __name__ == "__main__":
    main(*sys.argv[1:])
