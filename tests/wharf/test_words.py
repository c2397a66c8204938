"""Both sites of the admin speak Russian: their own words, the names of things and fields, and what unfold brings."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
import unfold
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import label_for_field
from django.utils import translation
from django.utils.translation.trans_real import translation as catalogue_of

from accounts.models import Role
from accounts.tasks import mail_code
from fleet.models import Worker
from tenants.models import Company
from tests.pages.conftest import at_browser
from tests.people import make_operator, make_person
from tests.test_strangers import ROUTES, Scene, acmes_things, in_office
from wharf import translations
from whatsapp.admin import borrowed
from whatsapp.office import office

CYRILLIC: Final = re.compile("[а-яё]", re.IGNORECASE)
#: Things of unfold's that no page of ours has.
UNUSED: Final = (
    "auth/", "contrib/", "dataset", "nested", "edit_inline/nested", "unfold_crispy", "login.html", "command_results",
)  # fmt: skip
OURS: Final = ("accounts.", "whatsapp.")
UNUSED_TEXTS: Final = frozenset(
    {
        "Select currency",
        # For somebody on a page without a title; there is none. Found from Python 3.12 on: it is in an f-string.
        "Welcome",
        "Dataset not found. No action performed.",
        "You can not create nested object without parent",
    }
)


def texts_of_unfold() -> set[str]:
    root = Path(unfold.__file__).parent
    found = set()
    for path in root.rglob("*"):
        if path.is_file() and not any(part in str(path.relative_to(root)) for part in UNUSED):
            found |= {text if isinstance(text, str) else text[0] for text, _ in translations._texts_of(path)}
    return {text for text in found if "<a " not in text} - UNUSED_TEXTS


def test_what_unfold_says_has_a_translation() -> None:
    with translation.override("ru"):
        missing = {text for text in texts_of_unfold() if not is_known(text)}

    assert missing == set(), "name them in whatsapp/admin/borrowed.py, and translate them"


def is_known(text: str) -> bool:
    catalogue: Any = catalogue_of("ru")._catalog  # type: ignore[attr-defined]
    return bool(catalogue.get(text) or catalogue.get((text, 0)))


def test_nothing_is_borrowed_that_unfold_does_not_have() -> None:
    assert set(borrowed.TEXTS) - texts_of_unfold() == set()


@pytest.mark.parametrize("site", [admin.site, office], ids=["operators", "office"])
def test_columns_fields_and_deeds_are_in_russian(site: AdminSite) -> None:
    with translation.override("ru"):
        pages = [page for page in site._registry.values() if type(page).__module__.startswith(OURS)]
        said = {f"{page.opts.label}.{name}": words for page in pages for name, words in words_of(page)}

    assert said
    assert {name: words for name, words in said.items() if not CYRILLIC.search(words)} == {}


def words_of(page: Any) -> list[tuple[str, str]]:
    names = {*getattr(page, "list_display", ()), *page.readonly_fields, *(page.fields or ())}
    inner = [inline(page.model, page.admin_site) for inline in getattr(page, "inlines", ())]
    inlines = [words for inline in inner for words in words_of(inline)]
    columns = [(name, str(label_for_field(name, page.model, page))) for name in names]
    deeds = [(name, str(page.get_action(name)[2])) for name in getattr(page, "actions", None) or ()]
    return [
        ("itself", str(page.opts.verbose_name)),
        ("all", str(page.opts.verbose_name_plural)),
        *columns,
        *deeds,
        *inlines,
    ]


# -- on the pages themselves -------------------------------------------------------------------------------------------
class Texts(HTMLParser):
    """What stands on a page, without the names of icons."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._silent: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag in ("script", "style", "select") or "material-symbols" in (said.get("class") or ""):
            self._silent.append(tag)
        for name in ("title", "placeholder", "aria-label", "alt"):
            self.found.add((said.get(name) or "").strip())

    def handle_endtag(self, tag: str) -> None:
        if self._silent and self._silent[-1] == tag:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.add(" ".join(data.split()))


#: Plain English: words of small letters, the first one perhaps not.
ENGLISH: Final = re.compile(r"[A-Z]?[a-z’']+(?:[ ,/–-]+[A-Za-z’']+)*[.?!:…]*")
#: Names, and what is written so in every language.
NAMES: Final = re.compile(
    "Wharf|Acme|Globex|Bob|Nextdesk|Sandbox|WhatsApp|Admin|Manager|harbour|sandbox|whatsapp|Procrastinate|^E-?mail"
    "|^acme$|^disk$"
)
#: Languages by their own names and codes, and a key.
SO_EVERYWHERE: Final = frozenset({"English", "en", "kk", "ru", "esc"})


def in_english(page: str) -> set[str]:
    return {text for text in Texts(page).found if ENGLISH.fullmatch(text) and not NAMES.search(text)} - SO_EVERYWHERE


@pytest.mark.parametrize("prefix", ["office/", "admin/"])
def test_no_page_of_the_admin_is_left_in_english(acme: Company, globex: Company, prefix: str) -> None:
    scene = Scene.set(acme, globex)
    person = make_operator(acme) if prefix == "admin/" else make_person(acme, Role.ADMIN)
    client, things = at_browser(person, "ru"), acmes_things(scene) | operators_things(scene)
    left = {}
    for route in (route for route in ROUTES if route.startswith(prefix)):
        for query in ("", "?q=nothing-like-this"):
            answer = client.get(in_office(route, things) + query)
            if answer.status_code == 200 and (words := in_english(answer.content.decode())):
                left[route] = words

    assert left == {}


def a_job() -> int:
    return mail_code.defer(code_id="1")


def operators_things(scene: Scene) -> dict[str, str]:
    worker = Worker.objects.first()
    return {
        "tenants/company": scene.acme.pk,
        "accounts/user": scene.ids["manager_id"],
        "fleet/placement": scene.ids["session_id"],
        "fleet/worker": worker.pk if worker else "",
        "fleet/endpointplacement": scene.ids["endpoint_id"],
        "procrastinate/procrastinatejob": str(a_job()),
    }
