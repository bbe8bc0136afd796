"""What import-linter cannot see: foreign keys are strings, and a contract about a module that is not there passes."""

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import ForeignObject, ManyToManyField
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[2]
APPS = ("goods", "stock", "orders", "messaging")
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def relations() -> Iterator[tuple[str, str]]:
    """Yields (app, other app) of every foreign key and many-to-many field of our models."""
    for label in APPS:
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            for field in model._meta.get_fields():
                if isinstance(field, ForeignObject | ManyToManyField):
                    yield label, field.related_model._meta.app_label


def modules() -> set[str]:
    """Returns the dotted names of all modules and packages of the project."""
    files = [path for package in LINTER["root_packages"] for path in (ROOT / package).rglob("*.py")]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    return {name.removesuffix(".__init__") for name in names}


def named_modules() -> Iterator[tuple[str, str]]:
    """Yields (contract, name or wildcard) of every module of ours that a contract names."""
    for contract in LINTER["contracts"]:
        keys = ("source_modules", "forbidden_modules", "containers", "protected_modules", "allowed_importers")
        for name in [name for key in keys for name in contract.get(key, [])]:
            if is_ours(name):
                yield contract["name"], name
        for layer in layers_of(contract):
            yield contract["name"], layer
        for line in contract.get("ignore_imports", []):
            importer, _, imported = line.partition(" -> ")
            yield from ((contract["name"], end) for end in (importer, imported) if is_ours(end))


def layers_of(contract: dict) -> Iterator[str]:
    containers = contract.get("containers", [""])
    for name in re.findall(r"[\w.]+", " ".join(contract.get("layers", []))):
        candidates = {f"{container}.{name}".lstrip(".") for container in containers}
        # A layer in brackets is optional in each app, but it has to exist in one of them.
        yield min(candidates & modules() or candidates)


def is_ours(name: str) -> bool:
    return name.split(".")[0] in {*LINTER["root_packages"], "*"}


def test_every_package_of_ours_is_a_root_of_the_linter():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert set(LINTER["root_packages"]) == packages


def test_apps_are_forbidden_the_whole_project_but_common():
    (named,) = [
        contract["forbidden_modules"] for contract in LINTER["contracts"] if "nothing but common" in contract["name"]
    ]

    children = {name for name in modules() if re.fullmatch(r"charites\.\w+", name)}
    assert set(named) == children - {"charites.common", "charites.tests"}


@pytest.mark.parametrize("contract", LINTER["contracts"], ids=lambda contract: contract["name"])
def test_contract_makes_no_exception_but_for_tests(contract):
    assert [line for line in contract.get("ignore_imports", []) if not line.startswith("*.tests.** ->")] == []


def test_foreign_keys_stay_inside_their_app():
    assert [pair for pair in relations() if pair[0] != pair[1]] == []


def test_import_contracts_are_kept(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)

    status = lint_imports(no_cache=True)

    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.parametrize(("contract", "name"), sorted(set(named_modules())))
def test_contract_names_modules_that_exist(contract, name):
    pattern = name.replace("**", "*")

    assert [module for module in modules() if fnmatchcase(module, pattern)], f"{contract}: nothing is called {name}"
