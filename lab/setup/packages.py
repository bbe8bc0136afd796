"""Installs what `make test` needs from the system, where it is missing: `python lab/setup/packages.py`; with the word
`bench`, `image` or `pictures`, what that target needs besides; with `ci`, what the tests look at only where it is.

As root with apt-get it installs; otherwise it prints the one line that does, and fails. No service is started: the
tests run private copies of the servers.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"])
POLICY = Path("/usr/sbin/policy-rc.d")
APT_LISTS = Path("/var/lib/apt/lists")


def has(*names: str) -> bool:
    """Whether one of these programs is installed."""
    return any(shutil.which(name, path=PATH) for name in names)


def has_python_headers() -> bool:
    return Path(sysconfig.get_path("include"), "Python.h").exists()


def python_headers_package() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}-dev"


def has_chinese_letters() -> bool:
    """Whether there is a font for them, so far as anybody can say."""
    if not has("fc-list"):
        return not has("apt-get")
    return bool(subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=False).stdout)


# Debian's name, Homebrew's name (empty: comes with something else), and how to tell that it is there.
NEEDED: list[tuple[str, str, Callable[[], bool]]] = [
    ("mariadb-server", "mariadb", lambda: has("mariadbd", "mysqld") and has("mariadb-install-db")),
    ("redis-server", "redis", lambda: has("redis-server", "valkey-server")),
    ("rabbitmq-server", "rabbitmq", lambda: has("rabbitmq-server") and has("epmd")),
    ("libmariadb-dev", "mariadb-connector-c", lambda: has("mariadb_config", "mysql_config")),
    ("gcc", "", lambda: has("gcc", "cc")),
    ("pkg-config", "pkgconf", lambda: has("pkg-config", "pkgconf")),
    (python_headers_package(), "", has_python_headers),
    ("gettext", "gettext", lambda: has("msgfmt") and has("xgettext")),
    ("chromium", "chromium", lambda: has("chromium", "chromium-browser", "google-chrome")),
    ("chromium-driver", "chromedriver", lambda: has("chromedriver")),
    ("nginx-light", "nginx", lambda: has("nginx")),
    ("haproxy", "haproxy", lambda: has("haproxy")),
    ("dnsmasq-base", "dnsmasq", lambda: has("dnsmasq")),
    ("openssl", "openssl", lambda: has("openssl")),
    ("faketime", "libfaketime", lambda: has("faketime")),
]
FOR_BENCH: list[tuple[str, str, Callable[[], bool]]] = [
    ("libnghttp2-dev", "libnghttp2", lambda: Path("/usr/include/nghttp2/nghttp2.h").exists() or not has("apt-get")),
    ("wrk", "wrk", lambda: has("wrk")),
]
FOR_CI: list[tuple[str, str, Callable[[], bool]]] = [("prometheus", "prometheus", lambda: has("promtool"))]
FOR_PICTURES: list[tuple[str, str, Callable[[], bool]]] = [
    ("fontconfig", "", lambda: has("fc-list") or not has("apt-get")),
    ("fonts-wqy-zenhei", "", has_chinese_letters),
]
FOR_IMAGE: list[tuple[str, str, Callable[[], bool]]] = [
    ("debootstrap", "", lambda: has("debootstrap") or not has("apt-get")),
]
BESIDES = {"bench": FOR_BENCH, "ci": FOR_CI, "image": FOR_IMAGE, "pictures": FOR_PICTURES}


def missing() -> list[tuple[str, str]]:
    needed = NEEDED + [package for word in sys.argv[1:] for package in BESIDES.get(word, [])]
    return [(debian, homebrew) for debian, homebrew, is_there in needed if not is_there()]


def command_for(absent: list[tuple[str, str]]) -> str:
    """Returns the one line that installs these packages on this kind of machine."""
    if not has("apt-get") and has("brew"):
        return "brew install " + " ".join(homebrew for _, homebrew in absent if homebrew)
    return "sudo apt-get install --yes --no-install-recommends " + " ".join(debian for debian, _ in absent)


@contextlib.contextmanager
def without_starting_services() -> Iterator[None]:
    """While it lasts, an installed package may not start its service (Debian asks policy-rc.d first)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def apt_get(*words: str) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", *words], env=environment, check=False).returncode


def install(names: list[str]) -> None:
    """Installs Debian packages; refreshes the package lists only where there are none or they are stale."""
    words = ("install", "--yes", "--no-install-recommends", *names)
    with without_starting_services():
        if any(APT_LISTS.glob("*_Packages*")) and apt_get(*words) == 0:
            return
        apt_get("update")
        apt_get(*words)


def main() -> int:
    absent = missing()
    if not absent:
        return 0
    names = [debian for debian, _ in absent]
    if os.geteuid() == 0 and has("apt-get"):
        print(f"Installing {', '.join(names)}", flush=True)
        install(names)
    still = missing()
    if not still:
        return 0
    target = next((word for word in ("bench", "image", "pictures") if word in sys.argv[1:]), "test")
    print(
        f"charites: `make {target}` also needs {', '.join(debian for debian, _ in still)}. Install with:\n"
        f"  {command_for(still)}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
