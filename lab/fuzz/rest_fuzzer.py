"""REST, by schemathesis: everything that the schema allows, and what it forbids, in every role."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.fuzz.fuzzed_shop import ROLES, FuzzedShop

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


def fuzz_rest(shop: FuzzedShop, *, seconds: float, seed: int) -> list[str]:
    """Runs schemathesis as each role, for equal parts of the time; returns the roles for which it found something."""
    found = []
    for role, authorization in ROLES.items():
        print(f"\nREST as {role}", flush=True)
        if run(shop.url, authorization, seconds=max(1, int(seconds / len(ROLES))), seed=seed):
            found.append(f"REST as {role}: what schemathesis says above, with a curl for each")
    return found


def run(url: str, authorization: str, *, seconds: int, seed: int) -> int:
    """Runs schemathesis; returns its exit code."""
    options = [f"--max-time={seconds}", f"--seed={seed}", f"--checks={','.join(CHECKS)}", "--no-color"]
    options += ["--generation-database=none", "--warnings=off", "--request-timeout=20", "--output-sanitize=false"]
    options.append(f"--exclude-path={ENDLESS}")
    headers = ["--header", f"Authorization: {authorization}"] if authorization else []
    with TemporaryDirectory() as folder:  # what it keeps from run to run is none of ours
        program = Path(sys.executable).parent / "st"
        words = [str(program), "run", f"{url}/api/schema", *options, *headers]
        return subprocess.run(words, cwd=folder, check=False).returncode
