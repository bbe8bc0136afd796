"""The Chinese texts: `python -m lab.generate.translations` brings the files up to date, `--check` only looks.

Collects the texts of the code into charites/locale/zh_Hans and compiles them. The compiled file is committed, because
`make run` works on machines without gettext. The check fails on a text without a translation, and on stale files.
"""

import gettext
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Path("charites", "locale", "zh_Hans", "LC_MESSAGES", "django.po")
PARTS = ("charites", "goods", "stock", "orders", "messaging", "live", "lab", "manage.py")
TESTS = ("*/tests/*", "*_pb2*")


def run(command: list[str], cwd: Path) -> str:
    environment = {**os.environ, "DEBUG": "true", "DEMO": "false", "ENV_FILE": "", "METRICS_DIR": ""}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def collect(folder: Path) -> Path:
    """Copies the code into the folder, brings the catalogue there up to date, and returns its path."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, folder / part)
    (folder / CATALOGUE).parent.mkdir(parents=True, exist_ok=True)
    words = ["--locale", "zh_Hans", "--no-obsolete", "--add-location", "never", "--verbosity", "0"]
    ignored = [word for pattern in TESTS for word in ("--ignore", pattern)]
    run([sys.executable, "manage.py", "makemessages", *words, *ignored], folder)
    without_date(folder / CATALOGUE)
    return folder / CATALOGUE


def without_date(catalogue: Path) -> None:
    """Removes the time of collection, or every run would change the file."""
    lines = catalogue.read_text().splitlines(keepends=True)
    catalogue.write_text("".join(line for line in lines if "POT-Creation-Date" not in line))


def faults(catalogue: Path) -> str:
    """Returns the entries that are not translated or only guessed, as they stand in the catalogue."""
    selections = [["--untranslated"], ["--only-fuzzy"]]
    return "".join(run(["msgattrib", *words, "--no-obsolete", str(catalogue)], ROOT) for words in selections)


def compiled(catalogue: Path) -> Path:
    target = catalogue.with_suffix(".mo")
    run(["msgfmt", "--check", "--output-file", str(target), str(catalogue)], ROOT)
    return target


def texts(file: Path) -> dict[str, str]:
    """Returns what a compiled catalogue says; its bytes differ between versions of msgfmt."""
    if not file.exists():
        return {}
    with file.open("rb") as opened:
        catalogue: dict[str, str] = vars(gettext.GNUTranslations(opened))["_catalog"]
    return {original: text for original, text in catalogue.items() if original}


def check(fresh: Path) -> int:
    if untranslated := faults(fresh):
        print(f"Not translated in {CATALOGUE}:\n{untranslated}")
        return 1
    # Texts are compared, not files: versions of gettext break lines differently.
    committed = Path(shutil.copy2(ROOT / CATALOGUE, fresh.with_name("committed.po")))
    wanted = texts(compiled(fresh))
    if wanted != texts(compiled(committed)) or wanted != texts((ROOT / CATALOGUE).with_suffix(".mo")):
        print(f"{CATALOGUE} or its compiled form is stale: make gen")
        return 1
    return 0


def update(fresh: Path) -> int:
    ours = ROOT / CATALOGUE
    ours.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(fresh, ours)
    shutil.copy2(compiled(fresh), ours.with_suffix(".mo"))
    if untranslated := faults(fresh):
        print(f"To be translated in {CATALOGUE}:\n{untranslated}")
    return 0


def main(arguments: list[str]) -> int:
    if not shutil.which("xgettext"):
        sys.exit("gettext is not installed (Debian, Ubuntu: apt-get install gettext; macOS: brew install gettext).")
    with tempfile.TemporaryDirectory() as folder:
        fresh = collect(Path(folder))
        return check(fresh) if "--check" in arguments else update(fresh)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
