"""The texts of all languages: found in the code, kept in `locale/`, compiled; no GNU gettext needed.

    python -m wharf.translations            refresh: find texts, update each .po, compile each .mo
    python -m wharf.translations check      say what is missing or stale, and change nothing

A text is found in `gettext(...)` and its kin, in `sentence(...)` of `wharf.errors`, and in the tags of templates.
Needs Babel, which is a tool of development: at run time the compiled catalogues are all there is.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).resolve().parent.parent
#: English is what the code is written in.
LANGUAGES: Final = ("ru", "kk")
#: Those that are begun: what nobody has translated yet is read in Russian, the platform's own, and is no problem.
BEGUN: Final = frozenset({"kk"})
PLACES: Final = ("accounts", "audit", "config", "fleet", "sandbox", "tenants", "templates", "whatsapp", "wharf")
KEYWORDS: Final = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "sentence": None,
}
#: Header lines that nobody fills, or that change with every run.
_NOISE: Final = (b'"Report-', b'"POT-', b'"PO-', b'"Last-', b'"Language-Team', b'"Project-', b'"Generated-')
_NO_DATE: Final = datetime(2000, 1, 1, tzinfo=UTC)


def refresh() -> None:
    found = _found()
    for language in LANGUAGES:
        _po(language).parent.mkdir(parents=True, exist_ok=True)
        _po(language).write_bytes(_as_po(_updated(language, found)))
        compiled = BytesIO()
        write_mo(compiled, _translated(language, found))
        # In one step: a process that starts now reads the old one or the new one.
        draft = _mo(language).with_suffix(".new")
        draft.write_bytes(compiled.getvalue())
        draft.replace(_mo(language))


def problems() -> list[str]:
    """What `refresh` would change, and what a translator has left to do."""
    found = _found()
    return [*_hidden(), *(problem for language in LANGUAGES for problem in _problems(language, found))]


def _hidden() -> Iterator[str]:
    """Texts inside of f-strings: from Python 3.12 on they are found, and before that they are not."""
    for path in sorted(path for place in PLACES for path in (ROOT / place).rglob("*.py")):
        f_strings = (node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.JoinedStr))
        for call in (node for each in f_strings for node in ast.walk(each) if isinstance(node, ast.Call)):
            is_text = any(isinstance(argument, ast.Constant) for argument in call.args)
            if is_text and isinstance(call.func, ast.Name) and call.func.id in KEYWORDS:
                yield f"{path.relative_to(ROOT)}:{call.lineno}: a text inside an f-string; say it before"


def _problems(language: str, found: Catalog) -> Iterator[str]:
    catalog = _updated(language, found)
    if not _po(language).exists() or _po(language).read_bytes() != _as_po(catalog):
        yield f"{language}: the .po is not up to date, run `python -m wharf.translations`"
    if not _mo(language).exists() or _texts(_read_mo(language)) != _texts(_translated(language, found)):
        yield f"{language}: the .mo does not match the .po, run `python -m wharf.translations`"
    for message in catalog:
        if not message.id:
            continue
        if message.fuzzy or not all(_forms(message.string)):
            if language in BEGUN and not message.fuzzy and not any(_forms(message.string)):
                continue
            yield f"{language}: not translated: {message.id}"
        elif {*map(_places, _forms(message.string))} - {*map(_places, _forms(message.id))}:
            yield f"{language}: other places to fill than in: {message.id}"


def _updated(language: str, found: Catalog) -> Catalog:
    """What is translated so far, with exactly the texts that were found in the code."""
    catalog = Catalog(locale=language, project="Wharf")
    if _po(language).exists():
        with _po(language).open("rb") as file:
            catalog = read_po(file, locale=language)
    catalog.update(found, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.creation_date = catalog.revision_date = _NO_DATE
    catalog.header_comment = f"# Wharf, texts in: {language}"
    catalog.fuzzy = False
    return catalog


def _found() -> Catalog:
    catalog = Catalog()
    for path in sorted(path for place in PLACES for path in (ROOT / place).rglob("*") if path.is_file()):
        for text, context in _texts_of(path):
            catalog.add(text, locations=[(str(path.relative_to(ROOT)), 0)], context=context)
    return catalog


def _texts_of(path: Path) -> Iterator[tuple[str | tuple[str, ...], str | None]]:
    if path.suffix == ".py":
        source = path.read_bytes()
    elif path.suffix in {".html", ".txt"}:
        # What is no tag becomes noise of the same shape; indented noise would be no Python.
        lines = templatize(path.read_text(encoding="utf-8"), origin=str(path)).splitlines()
        source = "\n".join(line.strip() for line in lines).encode()
    else:
        return
    for _line, text, _comments, context in extract("python", BytesIO(source), keywords=KEYWORDS):
        if text and text != ("",):
            yield text, context


def _places(text: str) -> frozenset[str]:
    """What is filled in later: a translation that has lost one, or has one too many, breaks where it is shown."""
    return frozenset(re.findall(r"%(?:\(\w+\))?[sd]", text))


def _as_po(catalog: Catalog) -> bytes:
    buffer = BytesIO()
    write_po(buffer, catalog, width=120, sort_output=True, include_lineno=False)
    lines = buffer.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(_NOISE))


def _read_mo(language: str) -> Catalog:
    with _mo(language).open("rb") as file:
        return read_mo(file)


def _texts(catalog: Catalog) -> dict[object, object]:
    return {(message.context, *_forms(message.id)): _forms(message.string) for message in catalog if message.id}


def _translated(language: str, found: Catalog) -> Catalog:
    """Without the texts that nobody has translated: those are better read in English than in part."""
    catalog = _updated(language, found)
    for message in list(catalog):
        if message.id and not all(_forms(message.string)):
            catalog.delete(message.id, message.context)
    return catalog


def _forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """All of a text that has plural forms, or the one."""
    return (text or "",) if text is None or isinstance(text, str) else tuple(text)


def _po(language: str) -> Path:
    return ROOT / "locale" / language / "LC_MESSAGES" / "django.po"


def _mo(language: str) -> Path:
    return _po(language).with_suffix(".mo")


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["refresh"], ["check"]):
        sys.stderr.write(__doc__ or "")
        return 64
    if arguments != ["check"]:
        refresh()
    found = problems()
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
