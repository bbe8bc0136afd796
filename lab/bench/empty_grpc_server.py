"""A gRPC server whose one method does nothing: `python -m lab.bench.empty_grpc_server --port 1234`."""

import argparse
import asyncio
import signal

import grpc


async def nothing(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return b""


async def serve(port: int) -> None:
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
    handlers = {"Nothing": grpc.unary_unary_rpc_method_handler(nothing)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Nothing", handlers)])
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await asked.wait()
    await server.stop(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(serve(parser.parse_args().port))
