"""Generates the Python client of the API from its schema, by openapi-python-client. `--check` writes nothing and exits
1 if something is stale."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.generate.files import renew, stale

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "clients" / "python" / "charites_client"
CONFIG = PACKAGE.with_name("generator.yaml")


def generate(folder: Path) -> Path:
    """Writes the package below a folder, and returns where it is."""
    schema, package = folder / "schema.yaml", folder / PACKAGE.name
    settings = {"ENV_FILE": "", "DEBUG": "true", "HOME": str(folder)}
    run([sys.executable, "manage.py", "spectacular", "--fail-on-warn", "--file", str(schema)], settings)
    words = ["generate", "--meta", "none", "--fail-on-warning", "--config", str(CONFIG)]
    files = ["--path", str(schema), "--output-path", str(package)]
    # The generator calls ruff, which is where it is itself.
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run([sys.executable, "-m", "openapi_python_client", *words, *files], settings)
    return package


def run(command: list[str], settings: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"charites: {' '.join(command[1:4])} failed.\n{done.stdout}{done.stderr}")


def files_below(package: Path) -> dict[str, bytes]:
    found = [path for path in package.rglob("*") if path.is_file() and path.suffix in (".py", ".typed")]
    return {str(path.relative_to(package)): path.read_bytes() for path in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fresh = files_below(generate(Path(folder)))
    changed = stale(fresh, files_below(PACKAGE))
    if arguments.check and changed:
        sys.exit("charites: stale Python client, run `make gen`: " + ", ".join(changed))
    if not arguments.check:
        renew(PACKAGE, changed, fresh)
    print(f"The Python client is up to date; {0 if arguments.check else len(changed)} files were written.")


if __name__ == "__main__":
    main()
