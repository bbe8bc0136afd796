"""The whole shop on this machine, in one terminal: `make run`.

What is set in the environment or in .env wins over the demo's values. Everything that lasts is in var/.
"""

import os
import sys

from lab.run.environment import VAR, demo_environment
from lab.run.launch import Launch, Plan
from lab.run.shop_service import Service


def make_plan() -> Plan:
    shop = Service("", demo_environment(os.environ), VAR / "env")
    return Plan([shop], welcome(shop))


def welcome(shop: Service) -> str:
    web, values = shop.web_address, shop.values
    return (
        f"\n  shop    {web}\n"
        f"  API     {web}api/docs\n"
        f"  admin   {web}admin/\n"
        f"  gRPC    {values['GRPC_HOST']}:{values['GRPC_PORT']}\n"
        f"  login   {shop.login}\n"
        f"\n  Unpaid orders close after {values['ORDER_PAY_TIMEOUT_SECONDS']} s. Logs are in var/log. "
        "Ctrl-C stops all of it.\n"
    )


if __name__ == "__main__":
    sys.exit(Launch("make run", VAR, "HTTP_PORT=8010 GRPC_PORT=8091").main(make_plan))
