"""Roots to live in: a Debian in the place of the base image, layers on it, and containers that can write nothing.

Everything is mounted in a mount namespace of our own, so that it ends with us however we end.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What the base image brings and Debian has elsewhere: Python and pip in /usr/local, and Python's header files. Those
# come without their package, whose dependencies would hide that the Dockerfile forgets a compiler's. And like there,
# apt keeps nothing of what it has fetched.
AS_IN_THE_BASE_IMAGE = """set -e
python3.11 -m venv /usr/local
cd /tmp
apt-get -qq update
apt-get -qq -o APT::Sandbox::User=root download libpython3.11-dev
dpkg-deb --fsys-tarfile libpython3.11-dev_*.deb | tar -x -C / ./usr/include
rm -rf libpython3.11-dev_*.deb /var/lib/apt/lists/* /var/cache/apt/*
cat > /etc/apt/apt.conf.d/keep-nothing <<END
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
END"""
NO_RIGHTS = ("--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")


class StepFailed(Exception):
    """A command that should have worked did not; the message is what it said last."""


def call(*words: str | Path, environment: Mapping[str, str] | None = None) -> None:
    """Runs a command. Raises StepFailed with its last lines."""
    command = [str(word) for word in words]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True
    )
    if done.returncode:
        raise StepFailed(f"exit code {done.returncode}\n{last_lines(done.stdout)}")


def last_lines(text: str, number: int = 20) -> str:
    return "\n".join(text.splitlines()[-number:])


def megabytes(folder: Path) -> int:
    done = subprocess.run(["du", "-sxm", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def make_base(folder: Path, mirror: Sequence[str]) -> None:
    """Makes a small Debian with Python 3.11. `mirror`: where from, when not the usual one."""
    packages = "python3-venv,ca-certificates"
    call("debootstrap", "--variant=minbase", f"--include={packages}", SUITE, folder, *mirror)
    for name in ("hosts", "resolv.conf"):
        shutil.copy(f"/etc/{name}", folder / "etc" / name)


def inside(root: Path, folder: str, user: str = "root") -> list[str]:
    """Returns the words in front of a command that runs in a root. Who is not root there has no rights at all."""
    words = ["unshare", f"--root={root}", f"--wd={folder}", "--"]
    if user == "root":
        return words
    user_id, group_id = ids_of(root, user)
    return [*words, "setpriv", f"--reuid={user_id}", f"--regid={group_id}", *NO_RIGHTS, "--"]


def ids_of(root: Path, user: str) -> tuple[str, str]:
    """The numbers of a user, who is named or a number. Raises StepFailed where the root does not know one."""
    for line in (root / "etc" / "passwd").read_text().splitlines():
        name, _, user_id, group_id, *_ = line.split(":")
        if user in (name, user_id):
            return user_id, group_id
    raise StepFailed(f"The image has no user {user}.")


@contextmanager
def mounted(*words: str | Path, at: Path) -> Iterator[None]:
    """What is mounted while the block lasts; a folder that was made for it goes again."""
    is_new = not at.exists()
    at.mkdir(parents=True, exist_ok=True)
    call("mount", *words, at)
    try:
        yield
    finally:
        call("umount", "--lazy", at)
        if is_new:
            at.rmdir()


@dataclass(frozen=True, slots=True)
class Layer:
    """What a stage adds to the base, in a folder of its own; the base is not written."""

    base: Path
    folder: Path

    @property
    def added(self) -> Path:
        return self.folder / "added"

    @contextmanager
    def writable(self) -> Iterator[Path]:
        """The base with what is added to it."""
        work = self.folder / "work"
        for made in (self.added, work):
            made.mkdir(parents=True)
        options = f"lowerdir={self.base},upperdir={self.added},workdir={work}"
        root = self.folder / "root"
        with file_system(root, options):
            yield root

    @contextmanager
    def read_only(self, root: Path, sizes: Mapping[str, str]) -> Iterator[Path]:
        """The same as a container that writes nowhere but in `sizes`: folders in memory, and how large they may get."""
        options = f"ro,lowerdir={self.added}:{self.base}"
        with file_system(root, options), in_memory(root, {"/dev/shm": "64m", **sizes}):
            yield root


@contextmanager
def file_system(root: Path, layers: str) -> Iterator[None]:
    """Folders on top of one another, and the processes in /proc."""
    with (
        mounted("-t", "overlay", "-o", layers, "overlay", at=root),
        mounted("-t", "proc", "proc", at=root / "proc"),
    ):
        yield


@contextmanager
def in_memory(root: Path, sizes: Mapping[str, str]) -> Iterator[None]:
    if not sizes:
        yield
        return
    (folder, size), *others = sizes.items()
    options = f"size={size},mode=1777,noexec,nosuid,nodev"
    with mounted("-t", "tmpfs", "-o", options, "tmpfs", at=root / folder.lstrip("/")), in_memory(root, dict(others)):
        yield


def is_root_of_linux() -> bool:
    return os.uname().sysname == "Linux" and os.geteuid() == 0
