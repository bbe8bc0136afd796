"""What import-linter cannot see: foreign keys are strings, and a contract about a module that is not there passes."""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import ForeignObject, ManyToManyField
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[2]
APPS = ("goods", "stock", "orders", "messaging")
SHOP = ("charites", *APPS)
ADAPTERS = {"rest", "rpc", "admin", "tasks", "messages", "management", "queue"}
# The wake-ups look whether their time has passed already; the sandbox stands for a company with a clock of its own.
EDGES = (["wakeups"], *(["payments", "sandbox", name] for name in ("page", "notices", "admin")))
CONSTANT = re.compile(r"^([A-Z][A-Z0-9_]+)(?:: [^=\n]+)? = ", re.MULTILINE)
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def relations() -> Iterator[tuple[str, str]]:
    """Yields (app, other app) of every foreign key and many-to-many field of our models."""
    for label in APPS:
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            for field in model._meta.get_fields():
                if isinstance(field, ForeignObject | ManyToManyField):
                    yield label, field.related_model._meta.app_label


def files_of_the_project() -> list[Path]:
    return [path for package in LINTER["root_packages"] for path in (ROOT / package).rglob("*.py")]


def modules() -> set[str]:
    """Returns the dotted names of all modules and packages of the project."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files_of_the_project()}
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


def shop_files() -> list[Path]:
    """The files of the shop: no tests, no migrations, nothing generated."""
    files = [path for app in SHOP for path in (ROOT / app).rglob("*.py")]
    return [path for path in files if not {"tests", "migrations"} & {*path.parts} and "_pb2" not in path.name]


def parsed(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def imported(node: ast.AST) -> list[str]:
    """The dotted names that an import brings."""
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def begins_transactions(node: ast.AST) -> bool:
    """Whether this begins, ends, or cuts up a transaction past `charites.common.transactions`, by whatever name."""
    if any(f"{name}.".startswith("django.db.transaction.") for name in imported(node)):
        return True
    return isinstance(node, ast.Attribute) and node.attr in {
        *("atomic", "non_atomic_requests", "on_commit", "commit", "rollback", "set_autocommit", "set_rollback"),
        *("savepoint", "savepoint_commit", "savepoint_rollback", "clean_savepoints", "mark_for_rollback_on_error"),
    }


def asks_a_clock(node: ast.AST) -> bool:
    """Whether this reads a clock that tells the time of day, by whatever name."""
    if {"django.utils.timezone.now", "time.time", "time.time_ns", "charites.common.clock.now"} & {*imported(node)}:
        return True
    clocks = {("timezone", "now"), ("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}
    clocks |= {("time", "time"), ("time", "time_ns"), ("clock", "now")}
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name | ast.Attribute)
        and (getattr(node.value, "id", getattr(node.value, "attr", "")), node.attr) in clocks
    )


def is_below_adapters(path: Path) -> bool:
    """Whether a file is of an app's core, where time is a parameter: services and what stands below them."""
    app, *rest = path.relative_to(ROOT).with_suffix("").parts
    return app in APPS and rest[0] not in ADAPTERS and rest not in EDGES


def test_transactions_begin_in_one_module():
    found = {str(path.relative_to(ROOT)) for path in shop_files() for node in parsed(path) if begins_transactions(node)}

    assert found == {"charites/common/transactions.py"}


def test_services_ask_no_clock():
    core = [path for path in shop_files() if is_below_adapters(path)]
    found = [f"{path.relative_to(ROOT)}:{node.lineno}" for path in core for node in parsed(path) if asks_a_clock(node)]

    assert len(core) > 40
    assert found == []


def test_one_clock_decides():
    """One module looks at a clock that may be wrong; so do order numbers, which have rules of their own."""
    clocks = ("charites/common/clock.py", "charites/common/ids.py")
    found = {
        str(path.relative_to(ROOT))
        for path in shop_files()
        for node in parsed(path)
        if asks_a_clock(node) and not (isinstance(node, ast.Attribute) and ast.unparse(node) == "clock.now")
    }

    assert found == {*clocks}


@pytest.mark.parametrize(
    "code",
    [
        "from django.db import transaction as t",
        "import django.db.transaction",
        "from django.db.transaction import atomic",
        "connection.savepoint()",
        "connection.set_autocommit(False)",
        "something.atomic()",
    ],
)
def test_transaction_by_another_name_is_seen(code):
    assert any(map(begins_transactions, ast.walk(ast.parse(code))))


def test_every_constant_is_used():
    """Django reads those of charites/settings.py."""
    files = {path: path.read_text(encoding="utf-8") for path in files_of_the_project()}
    words = Counter(word for text in files.values() for word in re.findall(r"\b[A-Z][A-Z0-9_]+\b", text))

    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in files.items()
        for name in CONSTANT.findall(text)
        if words[name] == 1 and path.name != "settings.py"
    ]

    assert len(words) > 1000
    assert found == []


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
