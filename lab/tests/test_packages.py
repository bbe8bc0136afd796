from pathlib import Path

import pytest

from lab.setup import packages


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only programs are those that a test puts into the folder."""
    monkeypatch.setattr(packages, "PATH", str(tmp_path))
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(packages, "has_python_headers", lambda: True)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    needed = [("gettext", "gettext", lambda: packages.has("msgfmt") and packages.has("xgettext"))]
    monkeypatch.setattr(packages, "NEEDED", needed)
    return tmp_path


def put_program(folder: Path, name: str, script: str = "") -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def put_apt_get(folder: Path, install: str) -> None:
    put_program(
        folder, "apt-get", f'echo "$DEBIAN_FRONTEND $*" >> {folder}/calls\ncase "$*" in *install*) {install};; esac'
    )


def as_user(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(packages.os, "geteuid", lambda: uid)


def test_main_with_everything_there_does_nothing(bare_machine, capsys):
    put_program(bare_machine, "msgfmt")
    put_program(bare_machine, "xgettext")

    assert packages.main() == 0
    assert capsys.readouterr().out == ""


def test_main_for_an_ordinary_user_prints_the_line_that_installs(bare_machine, monkeypatch, capsys):
    as_user(monkeypatch, 1000)
    put_apt_get(bare_machine, "exit 0")

    assert packages.main() == 1
    assert capsys.readouterr().err == (
        "charites: `make test` also needs gettext. Install with:\n"
        "  sudo apt-get install --yes --no-install-recommends gettext\n"
    )
    assert not (bare_machine / "calls").exists()


@pytest.mark.parametrize(("words", "wanted"), [([], False), (["ci"], True), (["bench"], False)])
def test_what_only_ci_looks_at_is_wanted_there(bare_machine, monkeypatch, words, wanted):
    monkeypatch.setattr(packages.sys, "argv", ["packages.py", *words])
    monkeypatch.setattr(packages, "BESIDES", {"ci": packages.FOR_CI})

    assert (("prometheus", "prometheus") in packages.missing()) == wanted
    put_program(bare_machine, "promtool")
    assert ("prometheus", "prometheus") not in packages.missing()


def test_main_on_a_mac_names_homebrew(bare_machine, monkeypatch, capsys):
    as_user(monkeypatch, 501)
    put_program(bare_machine, "brew")

    assert packages.main() == 1
    assert "\n  brew install gettext\n" in capsys.readouterr().err


def test_main_for_root_installs_without_starting_services(bare_machine, monkeypatch):
    as_user(monkeypatch, 0)
    asks_policy = f"cp {bare_machine}/policy-rc.d {bare_machine}/policy-seen"
    put_apt_get(bare_machine, f"{asks_policy}; cp $0 {bare_machine}/msgfmt; cp $0 {bare_machine}/xgettext")

    assert packages.main() == 0
    assert (bare_machine / "policy-seen").read_text() == "#!/bin/sh\nexit 101\n"
    assert not (bare_machine / "policy-rc.d").exists()
    assert "noninteractive -qq" in (bare_machine / "calls").read_text()


def test_main_for_root_updates_the_lists_when_an_installation_fails(bare_machine, monkeypatch):
    as_user(monkeypatch, 0)
    put_apt_get(bare_machine, "exit 100")

    assert packages.main() == 1
    assert "update" in (bare_machine / "calls").read_text()


def test_pictures_want_chinese_letters_where_debian_has_none(bare_machine, monkeypatch):
    monkeypatch.setattr(packages.sys, "argv", ["packages.py", "pictures"])
    monkeypatch.setattr(packages, "NEEDED", [])
    put_apt_get(bare_machine, "exit 0")
    put_program(bare_machine, "fc-list")

    assert packages.missing() == [("fonts-wqy-zenhei", "")]
    put_program(bare_machine, "fc-list", "echo /usr/share/fonts/zenhei.ttc")
    assert packages.missing() == []
