import re
from pathlib import Path

from lab.generate.document_settings import MEANINGS, example, settings, table

ROOT = Path(__file__).resolve().parents[3]


def test_every_setting_has_a_meaning_and_every_meaning_a_setting():
    names = {setting.name for setting in settings()}

    assert names == set(MEANINGS)


def test_settings_lists_what_a_plain_search_of_the_code_finds():
    text = (ROOT / "charites" / "settings.py").read_text()

    found = set(re.findall(r"""(?:env\.\w+|secrets?)\(\s*"(\w+)\"""", text))

    assert found <= {setting.name for setting in settings()}
    assert {"SECRET_KEY", "HTTP_PORT", "TRUST_PROXY", "NUM_PROXIES"} <= found


def test_documents_are_what_the_code_says():
    assert (ROOT / "docs" / "settings.md").read_text() == table(), "stale: make gen"
    assert (ROOT / ".env.example").read_text() == example(), "stale: make gen"


def test_documents_name_every_setting():
    documented = (ROOT / "docs" / "settings.md").read_text()
    example_file = (ROOT / ".env.example").read_text()

    assert [name for name in MEANINGS if f"| `{name}` |" not in documented] == []
    assert [name for name in MEANINGS if f"\n#{name}=" not in example_file] == ["ENV_FILE"]
