"""Every error has a code of its own, a sentence in every language, and a meaning outside."""

import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.utils import translation

from wharf.errors import Invalid, Kind, NotFound, WharfError, sentence
from wharf.meanings import MEANINGS, body, say

ROOT = Path(__file__).resolve().parents[2]


def all_errors() -> list[type[WharfError]]:
    for path in ROOT.glob("*/**/errors.py"):
        if "." not in str(path.relative_to(ROOT).parent):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return [WharfError, *_below(WharfError)]


def _below(error: type[WharfError]) -> Iterator[type[WharfError]]:
    for child in error.__subclasses__():
        yield child
        yield from _below(child)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = Counter(error.code for error in all_errors())

    assert [code for code, times in codes.items() if times > 1] == []
    assert [code for code in codes if not re.fullmatch(r"[a-z][a-z0-9_]*", code)] == []


def test_every_error_has_a_sentence_of_its_own() -> None:
    missing = [error for error in all_errors() if error is not WharfError and error.text == WharfError.text]

    assert missing == []


def test_every_kind_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Kind)
    assert {meaning.ws_close // 1000 for meaning in MEANINGS.values()} == {4}
    assert all(meaning.http_status >= 400 and meaning.exit_code > 0 for meaning in MEANINGS.values())


def test_an_error_speaks_the_readers_language() -> None:
    with translation.override("ru"):
        assert say(NotFound()) == "Не найдено"
    with translation.override("en"):
        assert say(NotFound()) == "Not found"


def test_a_sentence_inside_a_sentence_is_translated_too() -> None:
    error = Invalid(field="limit", problem=sentence("Not found"))

    with translation.override("ru"):
        assert say(error) == "limit: Не найдено"
        assert body(error)["fields"] == {"limit": ["Не найдено"]}


def test_what_a_person_wrote_is_never_translated() -> None:
    with translation.override("ru"):
        assert say(Invalid(field="name", problem="Not found")) == "name: Not found"


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_sentence_can_be_filled_in_every_language(language: str) -> None:
    with translation.override(language):
        for error in all_errors():
            names = re.findall(r"%\((\w+)\)s", error.text)
            translated = translation.gettext(error.text)
            assert sorted(re.findall(r"%\((\w+)\)s", translated)) == sorted(names), error
