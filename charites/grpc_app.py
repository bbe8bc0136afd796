"""What an ASGI server with HTTP/2 runs to answer gRPC: `charites.grpc_app:app`; `manage.py grpcserver` starts it."""

import os
from pathlib import Path

from charites.start import prepare_to_serve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
prepare_to_serve()

from charites.common.processes import settle_in  # noqa: E402 (after setup)
from charites.common.rpc import installed_methods  # noqa: E402
from charites.common.rpc.asgi import GrpcApp  # noqa: E402
from charites.common.rpc.envoy import APPS, DRAINING  # noqa: E402
from charites.warm_up import warm_up  # noqa: E402

draining = Path(os.environ.get(DRAINING, "/nonexistent"))

app = GrpcApp(installed_methods(os.environ[APPS].split(",") if APPS in os.environ else None), draining.exists)
warm_up()
settle_in()
