"""`python -m lab.site`: makes a site of the documentation, English and Chinese, in var/site or `--into FOLDER`. A link
that leads nowhere, a page that is in no section and everything else that Sphinx warns of ends it with 1."""

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from sphinx.cmd.build import build_main

from lab.site.sources import LANGUAGES, ROOT, Site

SPHINX_LANGUAGES = {"en": "en", "zh": "zh_CN"}


def build(language: str, into: Path, sources: Path) -> int:
    """Makes the site of one language; returns Sphinx's exit code."""
    Site(language, os.environ.get("REPOSITORY_URL", "")).lay_out(sources)
    return build_main(
        [
            *("-b", "html", "-c", str(Path(__file__).parent), "-d", f"{sources}.trees", "-q"),
            *("--fail-on-warning", "--keep-going", "--fresh-env", "-D", f"language={SPHINX_LANGUAGES[language]}"),
            *(str(sources), str(into)),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.site", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "var" / "site", help="replaced by the site")
    into, console = parser.parse_args().into.resolve(), Console()
    if into.exists() and any(into.iterdir()) and not (into / "objects.inv").exists():
        console.print(
            f"charites: {into} holds something else than a site of the documentation: name another folder.",
            soft_wrap=True,
        )
        return 1
    shutil.rmtree(into, ignore_errors=True)
    sources = Path(tempfile.mkdtemp(prefix="charites-site-"))  # kept where it has faults: they are named by its files
    for language, name in LANGUAGES.items():
        with console.status(f"charites: the documentation, {name}"):
            code = build(language, into / ("" if language == "en" else language), sources / language)
        if code:
            console.print(
                f"charites: the documentation ({name}) has the faults above, in what was laid out in {sources}",
                soft_wrap=True,
            )
            return 1
    shutil.rmtree(sources)
    console.print(f"charites: the documentation is at {(into / 'index.html').as_uri()}", soft_wrap=True)
    # Browsers let no page of a file read another one, such as what the search looks in.
    serve = f"python3 -m http.server --bind 127.0.0.1 --directory {shlex.quote(str(into))} 8001"
    console.print(f"charites: its search wants a server: {serve}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
