"""Writes docs/security.md from lab/security/*.toml: `python -m lab.generate.security_page`; `--check` only compares."""

import sys
from collections.abc import Sequence

from lab.security.rows import ROOT, Part, Row, read_parts

PAGE = ROOT / "docs" / "security.md"
NAMES = {
    "rest": "REST",
    "grpc": "gRPC, both transports",
    "grpcio": "gRPC on grpcio",
    "asgi": "gRPC on ASGI",
    "v1": "/v1",
    "admin": "admin",
    "process": "processes and commands",
}
HEAD = """\
# Security, line by line

What a caller may try, what happens and where that is decided, the tests through each door, and what was turned wrong
to see them fail. The doors are REST, gRPC on grpcio and on the ASGI application that pyvoy serves, the gateway's
`/v1`, and the admin. [SECURITY.md](../SECURITY.md) says what is in scope and how to report;
[docs/production.md](production.md) how to set it up.

Written by `make gen` from `lab/security/`. `make mutants` turns every line of the last column wrong, one at a time,
in a copy, and demands that the tests beside it fail. `python -m lab.doors` sends slow, idle, many and large clients
at the running shop, with and without nginx, and says what still answers for others. `make fuzz` sends what nobody
thought of: schemathesis over the schema, and a fuzzer of gRPC, `/v1` and notices.
"""


def link(file: str) -> str:
    return f"[{file}](../{file})"


def said(door: str, tests: Sequence[str] | str) -> str:
    """What a cell says of a door."""
    if isinstance(tests, str):
        return f"{NAMES[door]}: {tests}"
    named = []
    for test in tests:
        file, _colons, name = test.partition("::")
        named.append(f"[`{name}`](../{file})")
    return f"{NAMES[door]}: {', '.join(named)}"


def line(row: Row) -> str:
    doors = "<br>".join(said(door, tests) for door, tests in row.doors.items())
    mutants = "<br>".join(f"{mutant.turned} ({link(mutant.file)})" for mutant in row.mutants)
    cells = (row.input, f"{row.right}<br>{', '.join(map(link, row.where))}".removesuffix("<br>"), doors, mutants)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def section(part: Part) -> str:
    head = "| input | right, and where | tests | turned wrong |\n|---|---|---|---|\n"
    return f"\n## {part.title}\n\n{head}{''.join(map(line, part.rows))}"


def main(arguments: Sequence[str]) -> int:
    page = HEAD + "".join(map(section, read_parts()))
    if "--check" not in arguments:
        PAGE.write_text(page)
    elif PAGE.read_text() != page:
        sys.exit("docs/security.md is stale: make gen")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
