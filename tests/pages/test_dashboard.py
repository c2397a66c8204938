"""The overview: what it says in words and numbers, and to whom."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.pages.conftest import Desk, at_browser
from tests.people import Person
from whatsapp.models import Message, Transition
from whatsapp.pages.charts import round_up

pytestmark = pytest.mark.django_db


def shown(person: Person, query: str = "", language: str = "en") -> str:
    response = at_browser(person, language).get(f"/overview{query}")
    assert response.status_code == 200
    return str(response.content.decode())


def test_a_company_where_nothing_happened_yet_is_told_what_will_be_here(globex_admin: Person) -> None:
    page = shown(globex_admin)

    assert "There is no number yet." in page
    assert "As soon as somebody writes, it shows here." in page
    assert "<svg class=" not in page.partition("<main")[2].partition("</main>")[0]


def test_what_was_said_stands_in_words_a_picture_and_a_table(desk: Desk, acme_admin: Person) -> None:
    at = timezone.now() - timedelta(minutes=2)
    desk.run(Message.objects.update, timestamp=at, created_at=at)
    desk.says("Yes", from_me=True, sender=None, status="read")

    page = shown(acme_admin)

    assert "1 received" in page
    assert "1 sent" in page
    assert "Half of all answers of the last 7 days: <strong>1 to 5 minutes</strong> or faster." in page
    assert len(re.findall(r"<tr><td data-label=\"Day\">", page)) == 30
    assert 'class="bars"' in page


def test_what_a_new_number_is_now_can_be_seen(desk: Desk, acme_admin: Person) -> None:
    change = {"happening": "connected", "before": "connecting", "after": "connected"}
    desk.run(Transition.objects.create, session_id=desk.session.pk, **change)

    segments = re.findall(r'<rect class="tone-(\w+)" x="([\d.]+)" width="([\d.]+)" height="16">', shown(acme_admin))

    tone, x, width = segments[-1]
    assert tone == "good"
    assert float(width) >= 12
    assert float(x) + float(width) == pytest.approx(1000, abs=0.2)


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("query", ["", "?span=week", "?span=ages", "?part=overview"])
def test_it_is_drawn_without_inline_styles_in_any_span(
    desk: Desk, acme_admin: Person, query: str, language: str
) -> None:
    page = shown(acme_admin, query, language)

    assert " style=" not in page
    assert desk.session.label in page
    # Numbers in a drawing have points in every language.
    assert not re.search(r' (?:x|y|width|height)="[^"]*,', page)


def test_a_manager_without_a_number_sees_none(desk: Desk, acme_manager: Person) -> None:
    page = shown(acme_manager)

    assert desk.session.label not in page
    assert "1 received" not in page


@pytest.mark.parametrize(("most", "top"), [(0, 10), (10, 10), (11, 15), (49, 50), (81, 100), (1_001, 1_500)])
def test_an_axis_ends_at_a_number_that_people_like(most: int, top: int) -> None:
    assert round_up(most) == top
