"""The page that links a number, as the older systems' two pages were (seed contract 4.5)."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.models import Company
from tests.pages.conftest import Desk, at_browser
from tests.people import Person
from whatsapp.models import CodeAttempt, Session

pytestmark = pytest.mark.django_db

OLD = {"/whatsapp-pairing.html": "code", "/whatsapp-qr.html": "qr"}


def content(response: Any) -> str:
    return str(response.content.decode())


def shows(desk: Desk, **challenge: Any) -> None:
    desk.is_in(State.PAIRING, wanted=Wanted.RUNNING, device_jid="", reason=Reason.WAITING_FOR_SCAN)
    soon = timezone.now() + timedelta(seconds=30)
    fields = {"qr": "2@shown", "qr_expires_at": soon, "pairing_code_expires_at": soon, **challenge}
    desk.run(Session.objects.filter(pk=desk.session.pk).update, **fields)


def link_page(desk: Desk, person: Person, query: str = "", language: str = "en") -> str:
    return content(at_browser(person, language).get(desk.at(f"/link{query}")))


# -- the older addresses ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("old", "way"), OLD.items())
@pytest.mark.parametrize("reference", ["", "id", "slug", "external_id", "prefixed"])
def test_an_older_address_leads_to_the_companys_number(
    desk: Desk, acme_admin: Person, old: str, way: str, reference: str
) -> None:
    Company.objects.filter(pk=desk.company.pk).update(external_id="962302")
    company = Company.objects.get(pk=desk.company.pk)
    said = f"company_{company.external_id}" if reference == "prefixed" else getattr(company, reference or "pk")

    response = at_browser(acme_admin).get(old, {"company": said} if reference else None)

    assert (response.status_code, response["Location"]) == (302, desk.at(f"/link?way={way}"))


@pytest.mark.parametrize("old", OLD)
def test_an_older_address_sends_nobody_to_log_in_and_lets_them_come_back(desk: Desk, old: str) -> None:
    response = at_browser().get(old, {"company": desk.company.pk})

    back = urlencode({"next": f"{old}?company={desk.company.pk}"}, safe="/")
    assert (response.status_code, response["Location"]) == (302, f"/login?{back}")


@pytest.mark.parametrize("old", OLD)
@pytest.mark.parametrize("reference", ["another company", "nonsense"])
def test_another_companys_page_is_not_there(
    desk: Desk, acme: Company, globex_admin: Person, old: str, reference: str
) -> None:
    said = acme.pk if reference == "another company" else "962302"

    response = at_browser(globex_admin).get(old, {"company": said})

    assert response.status_code == 404
    assert desk.session.pk not in content(response)


def test_a_company_without_a_number_is_asked_to_make_one(globex_admin: Person, globex_manager: Person) -> None:
    asked = [at_browser(person).get("/whatsapp-qr.html") for person in (globex_admin, globex_manager)]

    assert [response["Location"] for response in asked] == ["/sessions/new", "/"]


def test_who_may_only_read_is_not_let_in_by_an_older_address(desk: Desk, acme_manager: Person) -> None:
    desk.grant(acme_manager)

    assert at_browser(acme_manager).get("/whatsapp-pairing.html").status_code == 403


# -- one way or both -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "has_qr", "has_code"), [("", True, True), ("?way=qr", True, False), ("?way=code", False, True)]
)
def test_each_way_of_linking_can_be_opened_alone(
    desk: Desk, acme_admin: Person, query: str, has_qr: bool, has_code: bool
) -> None:
    shows(desk)

    page = link_page(desk, acme_admin, query)

    assert ('id="qr-text"' in page, 'id="phone"' in page) == (has_qr, has_code)
    # And it renews itself as what it is, with a way to the other one.
    assert (f"?part=link{query.replace('?', '&amp;')}" in page) is True
    assert ('href="?way=' in page) is bool(query)


def test_a_form_without_scripts_comes_back_to_the_way_it_was_sent_from(desk: Desk, acme_admin: Person) -> None:
    shows(desk)

    response = at_browser(acme_admin).post(desk.at("/link/code?way=code"), {"phone": "+4915550100001"})

    assert response["Location"] == desk.at("/link?way=code")


# -- the texts -------------------------------------------------------------------------------------------------------
RUSSIAN = [
    ({}, ("Получить код подключения", "⏱ Обновление через # сек", "⭕ Ожидание подключения")),
    ({}, ("Введите номер WhatsApp который хотите подключить", "Пожалуйста, введите корректный номер телефона")),
    (
        {"pairing_phone": "4915550100001", "pairing_code": "ABCD-EFGH"},
        (
            "ABCD-EFGH",
            "Осталось: # сек",
            "📋 Копировать",
            "✅ Код скопирован в буфер обмена!",
            "✨ Код получен для номера +4915550100001! Следуйте инструкциям ниже.",
            "Получить новый код",
        ),
    ),
    (
        {"pairing_phone": "4915550100001", "pairing_error": "429: rate-overlimit"},
        ("❌ Ошибка", "Ошибка: 429: rate-overlimit", "Не удалось получить код. Попробовать QR код?", "#qr-title"),
    ),
    ({"qr_number": 4}, ("Возможно, проще ввести код подключения", "#code-title")),
]


@pytest.mark.parametrize(("challenge", "texts"), RUSSIAN)
def test_the_page_speaks_the_older_pages_russian(
    desk: Desk, acme_admin: Person, challenge: dict[str, Any], texts: tuple[str, ...]
) -> None:
    shows(desk, **challenge)

    page = link_page(desk, acme_admin, language="ru")

    assert [text for text in texts if text not in page] == []


def test_an_expired_code_is_gone_and_the_page_says_so(desk: Desk, acme_admin: Person) -> None:
    over = {"pairing_code": "ABCD-EFGH", "pairing_code_expires_at": timezone.now()}
    shows(desk, pairing_phone="4915550100001", **over)

    page = link_page(desk, acme_admin, "?part=link", language="ru")

    assert "ABCD-EFGH" not in page
    assert "⏰ Код истёк" in page
    assert "Код истёк. Получите новый код." in page
    assert "data-lapsed hidden" not in page


def test_three_unscanned_qr_codes_bring_no_advice_yet(desk: Desk, acme_admin: Person) -> None:
    shows(desk, qr_number=3)

    assert 'id="advice"' not in link_page(desk, acme_admin)


def test_a_link_that_was_there_and_one_that_came_up_are_told_apart(desk: Desk, acme_admin: Person) -> None:
    assert "✅ WhatsApp уже подключен!" in link_page(desk, acme_admin, language="ru")
    assert "✅ WhatsApp уже подключен!" in link_page(desk, acme_admin, "?part=link&since=connected", language="ru")
    assert "🎉 WhatsApp успешно подключен!" in link_page(desk, acme_admin, "?part=link", language="ru")


# -- asking for a code -----------------------------------------------------------------------------------------------
def test_while_whatsapp_may_still_answer_there_is_nothing_to_press(desk: Desk, acme_admin: Person) -> None:
    asked = {"pairing_phone": "4915550100001", "pairing_requested_at": timezone.now()}
    shows(desk, **asked)
    waiting = link_page(desk, acme_admin, language="ru")
    shows(desk, pairing_requested_at=timezone.now() - timedelta(minutes=1))
    unanswered = link_page(desk, acme_admin, language="ru")

    assert " disabled>Получение кода...</button>" in waiting
    assert ">Получить новый код</button>" in unanswered


def test_a_second_request_is_told_that_the_first_is_under_way(desk: Desk, acme_admin: Person) -> None:
    shows(desk, pairing_phone="4915550100001", pairing_requested_at=timezone.now())

    response = at_browser(acme_admin).post(
        desk.at("/link/code"), {"phone": "+4915550100001"}, headers={"accept": "application/json"}
    )

    assert (response.status_code, response.json()["code"]) == (409, "code_request_in_progress")


def test_too_many_requests_say_how_long_to_wait(desk: Desk, acme_admin: Person) -> None:
    desk.is_in(State.UNPAIRED, wanted=Wanted.STOPPED, device_jid="")
    for _ in range(5):
        desk.run(CodeAttempt.objects.create, phone="4915550100001")

    response = at_browser(acme_admin, "ru").post(
        desk.at("/link/code"), {"phone": "+4915550100001"}, headers={"accept": "application/json"}
    )

    assert (response.status_code, response.json()["code"]) == (429, "too_many_codes")
    assert "попробуйте снова через 30 мин." in response.json()["message"]
    assert Placement.objects.get(pk=desk.session.pk).wanted == Wanted.STOPPED
