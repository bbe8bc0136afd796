"""Makes `.venv` and keeps it in step with the requirement files: `lab/setup/bootstrap.py [run|dev|test]`.

    run    what `make run` needs: wheels only, no compiler, no root
    dev    that, and pytest, ruff, mypy: `make test-fast`, `make lint`
    test   that, the MySQL client, which is built from source, and gRPC's second transport: `make test`

Standard library only, in syntax that Python 3.8 reads: an old Python gets a sentence and no traceback.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
OLDEST = (3, 11)
TESTED = ((3, 13), (3, 12), (3, 11))
FILES = {
    "run": ["requirements-embedded.txt"],
    "dev": ["requirements-embedded.txt", "requirements-dev.txt", "requirements-otel.txt", "requirements-stripe.txt"],
    "test": [
        "requirements-embedded.txt",
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-pyvoy.txt",
        "requirements-otel.txt",
        "requirements-stripe.txt",
    ],
    "supply": ["requirements-embedded.txt", "requirements-supply.txt"],
}
# Installed without what they ask for themselves: we use one file of the wheel, and it asks for a browser.
ALONE = {"test": ["requirements-alone.txt"]}
LEVELS = ["run", "dev", "test"]  # each contains those before it; what else there is stands by itself


def stop(sentence):
    sys.exit("charites: " + sentence)


def version_of(command):
    """The (major, minor) of a Python, or None when it does not run, as a version manager's stub may not."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([command, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(int(part) for part in done.stdout.split())


def find_python():
    """The Python to build on: PYTHON when given, else this one, else the newest tested one on PATH."""
    given = os.environ.get("PYTHON")
    if given:
        version = version_of(given)
        if version is None or version < OLDEST:
            stop("PYTHON=%s is %s; Python 3.11 or newer is needed." % (given, describe(version)))
        return given
    this = sys.version_info[:2]
    if this in TESTED:
        return sys.executable
    named = ["python%d.%d" % version for version in TESTED]
    found = [name for name, version in zip(named, TESTED) if version_of(name) == version]
    if not found and this < OLDEST:
        stop(
            "Python 3.11 or newer is needed and this is %s: install one (Debian, Ubuntu: apt-get install "
            "python3.11 python3.11-venv), or name one with `make run PYTHON=/path/to/python3`." % describe(this)
        )
    return found[0] if found else sys.executable


def describe(version):
    return "Python %d.%d" % version if version else "not a Python that runs"


def is_usable(venv):
    version = version_of(str(venv / "bin" / "python"))
    return version is not None and version >= OLDEST and (venv / "bin" / "pip").exists()


def create(venv):
    python = find_python()
    version = "%d.%d" % version_of(python)
    if subprocess.run([python, "-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL).returncode:
        stop(
            "Python %s here comes without its venv module: install it (Debian, Ubuntu: apt-get install "
            "python%s-venv) and run this again." % (version, version)
        )
    say("Creating .venv with Python %s" % version)
    shutil.rmtree(str(venv), ignore_errors=True)
    if subprocess.run([python, "-m", "venv", str(venv)]).returncode:
        stop("`%s -m venv .venv` failed; its words are above." % python)


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def stamp(level):
    return VENV / ("installed-" + level)


def digest(level):
    names = FILES[level] + ALONE.get(level, [])
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def is_installed(level):
    """Whether this level, or one that contains it, was installed from the files as they are now."""
    larger = LEVELS[LEVELS.index(level) :] if level in LEVELS else [level]
    return any(stamp(name).exists() and stamp(name).read_text() == digest(name) for name in larger)


def install(level):
    say("Installing the packages of %s (the first time takes a minute)" % " and ".join(FILES[level]))
    # A stamp may only stand for a finished installation, so it goes before the work and comes back after it.
    for name in LEVELS if level in LEVELS else [level]:
        if stamp(name).exists():
            stamp(name).unlink()
    options = ["--only-binary", ":all:"]
    if level == "test":
        options += ["--no-binary", "mysqlclient"]
    pip(options, FILES[level])
    pip(["--only-binary", ":all:", "--no-deps"], ALONE.get(level, []))
    stamp(level).write_text(digest(level))


def pip(options, names):
    command = [*installer(), *options]
    for name in names:
        command += ["--requirement", str(ROOT / name)]
    if names and run(command):
        stop("%s could not install %s; its words are above." % (name_of(command), " and ".join(names)))


def installer():
    """uv where it is there, which is faster; pip otherwise."""
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", str(VENV / "bin" / "python")]
    return [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]


def name_of(command):
    return "uv" if command[1] == "pip" else "pip"


def run(command):
    """Runs pip or uv and returns its exit code. At a terminal uv shows what it does; pip's many lines pass as one."""
    if not sys.stdout.isatty():
        return subprocess.run([*command, "--quiet"]).returncode
    if name_of(command) == "uv":
        return subprocess.run(command).returncode
    wide = shutil.get_terminal_size().columns - 1
    with subprocess.Popen(command, stdout=subprocess.PIPE, universal_newlines=True) as running:
        for line in running.stdout:
            sys.stdout.write("\r" + ("  " + line.strip())[:wide].ljust(wide))
            sys.stdout.flush()
    sys.stdout.write("\r" + " " * wide + "\r")
    return running.returncode


def main(level):
    (ROOT / "var").mkdir(exist_ok=True)
    # Two terminals may both find .venv missing; the second one waits and finds it made.
    with open(str(ROOT / "var" / "bootstrap.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_usable(VENV):
            create(VENV)
        if not is_installed(level):
            install(level)


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else "run"
    if wanted not in FILES:
        stop("usage: python3 lab/setup/bootstrap.py [%s]" % "|".join(FILES))
    try:
        main(wanted)
    except KeyboardInterrupt:
        sys.exit(130)
