"""`make fuzz`: schemathesis over the whole schema, and a fuzzer of gRPC over all methods, against the running shop.

    python -m lab.fuzz [--only rest,grpc,notices] [--minutes 10] [--seed 4711] [--transports grpcio,pyvoy]

Nothing may be answered with 5xx except a 503 "busy", nothing with UNKNOWN or INTERNAL; no traceback may stand in the
logs, and the audit has to find nothing afterwards. The seed is printed: the same one sends the same.
"""

import argparse
import sys
from random import SystemRandom

from lab.fuzz.fuzzed_shop import fuzzed_shop, installed_transports
from lab.fuzz.grpc_fuzzer import fuzz_grpc
from lab.fuzz.notice_fuzzer import fuzz_notices
from lab.fuzz.rest_fuzzer import fuzz_rest

FUZZERS = {"rest": fuzz_rest, "grpc": fuzz_grpc, "notices": fuzz_notices}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(FUZZERS))
    parser.add_argument("--minutes", type=float, default=10, help="for each of the fuzzers")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(2**32))
    parser.add_argument("--transports", type=lambda text: text.split(","), default=installed_transports())
    wanted = parser.parse_args()
    if unknown := set(wanted.only) - set(FUZZERS):
        parser.error(f"no such fuzzer: {', '.join(unknown)}; there are {', '.join(FUZZERS)}")
    print(f"Seed {wanted.seed}: repeat this run with --seed {wanted.seed}", flush=True)
    with fuzzed_shop(wanted.transports) as shop:
        found = []
        for name in wanted.only:
            found += FUZZERS[name](shop, seconds=wanted.minutes * 60, seed=wanted.seed)
        found += shop.findings()
    for finding in found:
        print(f"\nFOUND  {finding}")
    print(f"\n{len(found)} findings, seed {wanted.seed}" if found else "\nNothing found; the audit neither.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
