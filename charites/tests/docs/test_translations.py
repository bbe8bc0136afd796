"""The Chinese texts: complete, and true to the English ones.

`make lint` compares the files with the code by means of gettext; this works on a machine without it.
"""

import ast
import gettext
import re
from ast import literal_eval
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import django
import pytest
import rest_framework
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.db.models import Model
from django.utils import translation

from charites.common.django_texts import UNTRANSLATED
from charites.common.errors import ServiceError
from lab.kit.admin_site import OUR_APPS

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = ROOT / "charites" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
OURS = [apps.get_app_config(label) for label in OUR_APPS]
MODELS = [model for app in OURS for model in app.get_models()]
ADMINS = [page for model, page in admin.site._registry.items() if model in MODELS]
FUNCTIONS = {"_", "gettext", "gettext_lazy", "ngettext", "pgettext_lazy"}
CHINESE = re.compile("[\u4e00-\u9fff]")
CONTEXT_MARK = "\x04"  # between the context and the text, as gettext files have it
PLACES = re.compile(r"%\(\w+\)[-+ 0#]*[\d.]*\w|\{\w+\}|</?\w+>|%%")


# Catalogue


class Entry(NamedTuple):
    """One text of the catalogue. `originals`: the singular and, where there is one, the plural."""

    key: str
    originals: list[str]
    text: str
    is_guessed: bool


def read_entries(catalogue: str) -> list[Entry]:
    """Reads a catalogue whose entries are parted by empty lines; the first one is its head."""
    blocks = [re.sub(r'"\n"', "", block) for block in catalogue.strip().split("\n\n")]
    return [read_entry(block) for block in blocks[1:]]


def read_entry(block: str) -> Entry:
    values = {name: literal_eval(text) for name, text in re.findall(r'^(msg\S+) (".*")$', block, re.MULTILINE)}
    originals = [values[name] for name in ("msgid", "msgid_plural") if name in values]
    context = values["msgctxt"] + CONTEXT_MARK if "msgctxt" in values else ""
    text = values.get("msgstr", values.get("msgstr[0]"))
    return Entry(context + values["msgid"], originals, text, bool(re.search("^#,.*fuzzy", block, re.MULTILINE)))


def compiled(file: Path) -> dict[str, str]:
    """Returns what a compiled catalogue says."""
    with file.open("rb") as opened:
        texts = vars(gettext.GNUTranslations(opened))["_catalog"]
    return {key[0] if isinstance(key, tuple) else key: text for key, text in texts.items() if key}


ENTRIES = read_entries(CATALOGUE.read_text())


def test_reader_of_catalogues_reads_what_ours_is_made_of() -> None:
    head = 'msgid ""\nmsgstr ""\n"Language: zh_Hans\\n"\n\n'
    entries = read_entries(
        head
        + 'msgctxt "time"\nmsgid "a"\nmsgstr "b"\n\n#, fuzzy, python-format\nmsgid ""\n"\\"c\\""\n" d"\nmsgstr ""\n\n'
        + 'msgid "one"\nmsgid_plural "many"\nmsgstr[0] "some"\n'
    )

    assert entries == [
        Entry("time\x04a", ["a"], "b", is_guessed=False),
        Entry('"c" d', ['"c" d'], "", is_guessed=True),
        Entry("one", ["one", "many"], "some", is_guessed=False),
    ]


def has_words(text: str) -> bool:
    """Whether it is more than what stands between two texts."""
    return re.search("[A-Za-z]", PLACES.sub("", text)) is not None


def test_every_text_is_translated_and_none_is_a_guess() -> None:
    assert [entry.key for entry in ENTRIES if entry.is_guessed or not entry.text] == []
    assert [entry.key for entry in ENTRIES if has_words(entry.originals[0]) and not CHINESE.search(entry.text)] == []
    assert len({entry.key for entry in ENTRIES}) == len(ENTRIES) > 200


def test_both_languages_have_the_same_placeholders_and_tags() -> None:
    for entry in ENTRIES:
        places = [sorted(set(PLACES.findall(text))) for text in (*entry.originals, entry.text)]

        # A singular may say `one` where the plural has a number.
        assert places[-1] == places[-2], entry
        assert "%" not in PLACES.sub("", entry.text), entry


def test_compiled_catalogue_is_what_the_catalogue_says() -> None:
    assert compiled(CATALOGUE.with_suffix(".mo")) == {entry.key: entry.text for entry in ENTRIES}


def test_our_texts_rename_nothing_on_the_pages_of_django_and_drf() -> None:
    ours = {entry.key: entry.text for entry in ENTRIES}
    found = {}
    for package in (django, rest_framework):
        for file in Path(package.__path__[0]).glob("**/zh_Hans/LC_MESSAGES/django.mo"):
            theirs = compiled(file)
            found |= {key: (ours[key], theirs[key]) for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]}

    assert found == {}, "give these texts a context: pgettext_lazy"


# Code


def calls_of(folder: str) -> Iterator[tuple[str, ast.Call]]:
    """Yields (name of the function, call) for every call in the code of an app, tests left out."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        if "tests" not in file.relative_to(ROOT).parts and "_pb2" not in file.name:
            for node in ast.walk(ast.parse(file.read_text(), str(file))):
                if isinstance(node, ast.Call):
                    yield getattr(node.func, "id", getattr(node.func, "attr", "")), node


def texts_of(call: ast.Call) -> list[str]:
    return [argument.value for argument in call.args if isinstance(argument, ast.Constant)]


@pytest.mark.parametrize("folder", ["charites", *OUR_APPS])
def test_every_text_of_the_code_is_in_the_catalogue(folder: str) -> None:
    found = set()
    for name, call in calls_of(folder):
        if name in FUNCTIONS:
            words = texts_of(call)
            found.add(CONTEXT_MARK.join(words) if name.startswith("p") else words[0])

    assert found - {entry.key for entry in ENTRIES} == set(), "make gen, then translate"
    assert found


@pytest.mark.parametrize("folder", ["charites", *OUR_APPS])
def test_no_refusal_has_a_bare_english_reason(folder: str) -> None:
    errors = {error.__name__ for error in subclasses(ServiceError)}
    bare = []
    for name, call in calls_of(folder):
        if name in errors:
            values = [*call.args[1:], *(keyword.value for keyword in call.keywords)]  # the first names a field
            bare += [
                value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)
            ]
        elif name == "ValidationError":
            bare += texts_of(call)

    assert bare == []


def subclasses(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for found in error.__subclasses__():
        yield found
        yield from subclasses(found)


@pytest.mark.parametrize("text", UNTRANSLATED, ids=str)
def test_texts_that_django_has_not_translated_are_chinese(text: Any) -> None:
    with translation.override("zh-hans"):
        assert CHINESE.search(str(text))


def test_every_error_has_a_chinese_text() -> None:
    errors = [error for error in subclasses(ServiceError) if ".tests." not in error.__module__]

    with translation.override("zh-hans"):
        assert [error for error in errors if not CHINESE.search(str(error.text))] == []
    assert len(errors) > 20


# Models and admin


def not_chinese(*texts: Any) -> list[str]:
    with translation.override("zh-hans"):
        return [str(text) for text in texts if not CHINESE.search(str(text))]


@pytest.mark.parametrize("app", OURS, ids=OUR_APPS)
def test_app_has_a_chinese_name(app: Any) -> None:
    assert not_chinese(app.verbose_name) == []


@pytest.mark.parametrize("model", MODELS)
def test_model_its_columns_and_choices_have_chinese_names(model: type[Model]) -> None:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    choices = [label for field in fields for value, label in field.choices or () if value != ""]

    assert not_chinese(model._meta.verbose_name, model._meta.verbose_name_plural) == []
    assert not_chinese(*(field.verbose_name for field in fields)) == []
    assert not_chinese(*choices) == []


@pytest.mark.parametrize("page", ADMINS, ids=str)
def test_admin_page_has_chinese_headings_and_actions(page: admin.ModelAdmin) -> None:
    shown = [column for column in page.list_display if column != "id"]
    actions = [getattr(page, name).short_description for name in page.actions]
    sections = [title for title, _options in page.fieldsets or () if title]
    filters = [found.title for found in page.list_filter if not isinstance(found, str)]

    with translation.override("zh-hans"):
        headings = [label_for_field(column, page.model, page) for column in shown]
    assert not_chinese(*headings, *actions, *sections, *filters) == []


@pytest.mark.parametrize("label", OUR_APPS)
def test_admin_forms_have_chinese_labels(label: str) -> None:
    forms = [found for found in vars(import_module(f"{label}.admin")).values() if hasattr(found, "declared_fields")]
    fields = [field for form in forms for field in form.declared_fields.values() if not field.widget.is_hidden]

    assert not_chinese(*(field.label for field in fields)) == []
    assert not_chinese(*(field.help_text for field in fields if field.help_text)) == []
