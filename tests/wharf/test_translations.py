"""The catalogues hold every text of the code, translated, and what is compiled is what is written."""

from pathlib import Path

import pytest
from django.utils import translation

from wharf import translations


def test_every_text_is_translated_and_compiled() -> None:
    assert translations.problems() == [], "run `python -m wharf.translations` and translate what it names"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one text in each kind of place."""
    (tmp_path / "wharf").mkdir()
    code = 'text = sentence("First" " half")\ncount = ngettext("%d ship", "%d ships", n)\n'
    (tmp_path / "wharf/errors.py").write_text(code)
    (tmp_path / "templates").mkdir()
    tags = '{% translate "Ahoy" %}{% blocktranslate %}Hi {{ name }}{% endblocktranslate %}'
    page = "<div>\n      {% load i18n %}\n  " + tags
    (tmp_path / "templates/page.html").write_text(page)
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    return tmp_path


def test_texts_are_found_in_code_and_templates(elsewhere: Path) -> None:
    translations.refresh()

    found = translations._po("ru").read_text(encoding="utf-8")
    assert all(f'msgid "{text}"' in found for text in ("First half", "%d ship", "Ahoy", "Hi %(name)s"))


def test_a_missing_translation_is_named(elsewhere: Path) -> None:
    translations.refresh()

    assert "ru: not translated: First half" in translations.problems()


def test_a_text_inside_an_f_string_is_refused(elsewhere: Path) -> None:
    (elsewhere / "wharf/hidden.py").write_text("def words(n: str) -> str:\n    return f\"{n} {gettext('ship')}\"\n")
    translations.refresh()

    assert "wharf/hidden.py:2: a text inside an f-string; say it before" in translations.problems()


def test_a_language_that_is_begun_may_have_gaps_and_nothing_half_done(elsewhere: Path) -> None:
    translations.refresh()
    assert not any(problem.startswith("kk:") for problem in translations.problems())

    po = translations._po("kk")
    po.write_text(po.read_text(encoding="utf-8").replace('"Hi %(name)s"\nmsgstr ""', '"Hi %(name)s"\nmsgstr "Сәлем"'))
    translations.refresh()

    assert "kk: other places to fill than in: Hi %(name)s" in translations.problems()


def test_a_gap_of_a_begun_language_is_read_in_russian() -> None:
    """In the platform's own language, and not in the one that the code is written in."""
    with translation.override("kk"):
        assert translation.gettext("Chats") == "Чаттар"
        assert translation.gettext("Take this key back?") == "Отозвать этот ключ?"
        assert translation.ngettext("%(number)s day", "%(number)s days", 5) == "%(number)s дней"


def test_a_new_text_makes_the_catalogue_stale(elsewhere: Path) -> None:
    translations.refresh()
    (elsewhere / "wharf/more.py").write_text('sentence("New")\n')

    assert any("not up to date" in problem for problem in translations.problems())


def test_a_translation_that_loses_a_place_is_named(elsewhere: Path) -> None:
    translations.refresh()
    po = translations._po("ru")
    po.write_text(po.read_text(encoding="utf-8").replace('"Hi %(name)s"\nmsgstr ""', '"Hi %(name)s"\nmsgstr "Привет"'))
    translations.refresh()

    assert "ru: other places to fill than in: Hi %(name)s" in translations.problems()


def test_an_edited_po_is_seen_until_it_is_compiled(elsewhere: Path) -> None:
    translations.refresh()
    po = translations._po("ru")
    po.write_text(po.read_text(encoding="utf-8").replace('"Ahoy"\nmsgstr ""', '"Ahoy"\nmsgstr "Эй"'))

    assert any(".mo does not match" in problem for problem in translations.problems())
    translations.refresh()
    assert not any(".mo does not match" in problem for problem in translations.problems())


def test_refreshing_twice_changes_nothing(elsewhere: Path) -> None:
    translations.refresh()
    before = translations._po("ru").read_bytes(), translations._mo("ru").read_bytes()
    translations.refresh()

    assert (translations._po("ru").read_bytes(), translations._mo("ru").read_bytes()) == before
