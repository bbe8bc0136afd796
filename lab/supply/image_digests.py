"""Pins the images of the Dockerfile and of compose.yaml by digest: `python -m lab.supply.image_digests`.

A tag is a word that whoever holds the registry may point elsewhere; a digest is the image. `docker buildx imagetools`
asks for it, so this has to run where a registry is reached. What could not be asked for keeps what it has, is named,
and makes the exit code 1. Run it again for newer images under the same tags.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ("Dockerfile", "compose.yaml")
IMAGE = re.compile(r"^(\s*(?:FROM|image:) )([\w./-]+:[\w.-]+)(@sha256:[0-9a-f]{64})?(?=\s|$)", re.MULTILINE)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TIMEOUT_SECONDS = 60


def images_of(text: str) -> list[str]:
    """The names and tags of the images in a file, each once. What is built here has no tag."""
    return list(dict.fromkeys(name for _, name, _ in IMAGE.findall(text)))


def digest_of(name: str) -> str | None:
    """The digest that a tag stands for now; None where no registry says."""
    command = ["docker", "buildx", "imagetools", "inspect", name, "--format", "{{.Manifest.Digest}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = done.stdout.strip()
    return answer if done.returncode == 0 and DIGEST.fullmatch(answer) else None


def pinned(text: str, digests: dict[str, str | None]) -> str:
    """The same file, with these digests behind the tags."""

    def pin(found: re.Match[str]) -> str:
        before, name, old = found.groups()
        digest = digests.get(name)
        return f"{before}{name}{f'@{digest}' if digest else old or ''}"

    return IMAGE.sub(pin, text)


def main(root: Path = ROOT) -> int:
    texts = {name: (root / name).read_text() for name in FILES}
    names = [name for text in texts.values() for name in images_of(text)]
    digests = {name: digest_of(name) for name in dict.fromkeys(names)}
    for name, text in texts.items():
        (root / name).write_text(pinned(text, digests))
    for name, digest in digests.items():
        print(f"{name}: {digest or 'NOT ASKED FOR: no registry was reached'}")
    return 0 if all(digests.values()) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
