"""REST, by schemathesis: everything that the schema allows, and what it forbids, in every role."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from lab.fuzz.fuzzed_shop import ROLES, FuzzedShop
from lab.fuzz.what_is_there import pay_orders
from lab.kit.processes.shop import ROOT

# What is answered has to be what the schema promises, and what it forbids is refused. Left out: that whatever fits it
# is accepted, for no pattern says what may stand in a text; and what schemathesis guesses of tokens.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "negative_data_rejection",
)
ENDLESS = "/api/rooms/{room_id}/events"  # whoever waits for the end of an answer waits for minutes


HOOKS = Path(__file__).with_name("rest_hooks.py")
PAID_ORDERS = 20  # for each role


def fuzz_rest(shop: FuzzedShop, *, seconds: float, seed: int) -> list[str]:
    """Runs schemathesis as each role, for equal parts of the time; returns the roles for which it found something."""
    found = []
    answers: Counter[tuple[str, int]] = Counter()
    for role, authorization in ROLES.items():
        print(f"\nREST as {role}", flush=True)
        pay_orders(shop.url, number=PAID_ORDERS, random=Random(seed))
        code, told = run(shop, authorization, seconds=max(1, int(seconds / len(ROLES))), seed=seed)
        answers += told
        if code:
            found.append(f"REST as {role}: what schemathesis says above, with a curl for each")
    print(f"\nREST: {answers.total():,} requests; never answered with success: {never_done(answers)}", flush=True)
    return found


def never_done(answers: Counter[tuple[str, int]]) -> str:
    """The operations of which no call was carried out: what they do was not tried."""
    operations = {operation for operation, _status in answers}
    done = {operation for operation, status in answers if 200 <= status < 300}
    return ", ".join(sorted(operations - done)) or "none"


def run(shop: FuzzedShop, authorization: str, *, seconds: int, seed: int) -> tuple[int, Counter[tuple[str, int]]]:
    """Runs schemathesis; returns its exit code, and how often each operation was answered with which status."""
    options = [f"--max-time={seconds}", f"--seed={seed}", f"--checks={','.join(CHECKS)}", "--no-color"]
    options += ["--generation-database=none", "--warnings=off", "--request-timeout=20", "--output-sanitize=false"]
    options.append(f"--exclude-path={ENDLESS}")
    headers = ["--header", f"Authorization: {authorization}"] if authorization else []
    with TemporaryDirectory() as folder:  # what it keeps from run to run is none of ours
        file = Path(folder) / "answers.json"
        program = Path(sys.executable).parent / "st"
        words = [str(program), "run", f"{shop.url}/api/schema", *options, *headers]
        known = {"FUZZED_SHOP": shop.url, "FUZZED_RECEIVER": shop.receiver, "FUZZED_SEED": str(seed)}
        environment = {"SCHEMATHESIS_HOOKS": str(HOOKS), "FUZZED_ANSWERS": str(file), "PYTHONPATH": str(ROOT)}
        code = subprocess.run(words, cwd=folder, env={**os.environ, **environment, **known}, check=False).returncode
        answers = json.loads(file.read_text()) if file.exists() else {}
    told_of = [(name, int(status), number) for name, found in answers.items() for status, number in found.items()]
    return code, Counter({(name, status): number for name, status, number in told_of})
