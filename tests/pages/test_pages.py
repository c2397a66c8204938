"""The pages as Django's client sees them: who gets what, what forms do, and what each page costs."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Role, User
from accounts.pages import COMPANY_KEY
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.companies import suspend_company
from tenants.models import Company
from tests.pages.conftest import Desk, at_browser
from tests.people import Person, make_person
from whatsapp.models import Chat, Contact, ManagerAccess, Message, MessageStatus, Session
from whatsapp.pages import words

pytestmark = pytest.mark.django_db

JSON = {"accept": "application/json"}

#: Each page about one session, with what a manager needs to see it.
PAGES = {
    "": "read",
    "/link": "write",
    "/chats": "read",
    "/chats/{chat}": "read",
    "/chats/new": "write",
    "/rename": "admin",
    "/unlink": "admin",
    "/archive": "admin",
}
DEEDS = {
    "/start": "write",
    "/pause": "admin",
    "/hold": "admin",
    "/release": "admin",
    "/unlink": "admin",
    "/archive": "admin",
    "/rename": "admin",
    "/access": "admin",
    "/link/code": "write",
    "/chats/new": "write",
    "/chats/{chat}/send": "write",
    "/chats/{chat}/read": "read",
}
INPUT = {"name": "Renamed", "phone": "+49 1555 0100003", "text": "Hello", "can_read": "on"}


def address(desk: Desk, tail: str) -> str:
    return desk.at(tail.format(chat=desk.chat.pk))


def content(response: Any) -> str:
    return str(response.content.decode())


@pytest.mark.parametrize(
    ("referer", "way_back"),
    [
        ("http://testserver/sessions/x/chats?page=2", "/sessions/x/chats?page=2"),
        ("https://elsewhere.test/sessions", "/"),
        ("", "/"),
    ],
)
def test_who_sends_something_too_late_comes_back_to_where_it_was_written(
    desk: Desk, referer: str, way_back: str
) -> None:
    response = at_browser().post(desk.at("/start"), headers={"referer": referer} if referer else {})

    assert parse_qs(urlsplit(response["Location"]).query) == {"next": [way_back]}


# -- who may ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("tail", PAGES)
def test_nobody_is_sent_to_log_in_and_comes_back(desk: Desk, tail: str) -> None:
    response = at_browser().get(address(desk, tail))

    assert (response.status_code, response["Location"]) == (302, f"/login?next={address(desk, tail)}")


@pytest.mark.parametrize("tail", [*PAGES, *(f"POST {tail}" for tail in DEEDS)])
def test_a_strangers_session_is_not_there(desk: Desk, globex_admin: Person, tail: str) -> None:
    client = at_browser(globex_admin)
    method, _, path = tail.rpartition(" ")

    response = client.post(address(desk, path), INPUT) if method else client.get(address(desk, path))

    assert response.status_code == 404
    assert "Front desk" not in content(response)


@pytest.mark.parametrize("tail", PAGES)
def test_a_manager_without_a_grant_is_told_so(desk: Desk, acme_manager: Person, tail: str) -> None:
    response = at_browser(acme_manager).get(address(desk, tail))

    assert response.status_code == 403
    assert "Front desk" not in content(response)


@pytest.mark.parametrize(("tail", "needs"), PAGES.items())
@pytest.mark.parametrize("rights", ["read", "write", "admin"])
def test_each_page_is_for_those_who_may(desk: Desk, acme: Company, tail: str, needs: str, rights: str) -> None:
    client = at_browser(somebody_with(desk, rights))

    response = client.get(address(desk, tail))

    assert response.status_code == (200 if may(rights, needs) else 403)
    assert response.status_code == 403 or response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("tail", "needs"), DEEDS.items())
@pytest.mark.parametrize("rights", ["none", "read", "write"])
def test_no_form_does_more_than_its_sender_may(desk: Desk, tail: str, needs: str, rights: str) -> None:
    client = at_browser(somebody_with(desk, rights))

    response = client.post(address(desk, tail), INPUT, headers=JSON)

    assert (response.status_code == 403) is not may(rights, needs)


def somebody_with(desk: Desk, rights: str) -> Person:
    person = make_person(desk.company, Role.ADMIN if rights == "admin" else Role.MANAGER)
    if rights in ("read", "write"):
        desk.grant(person, read=True, write=rights == "write")
    return person


def may(rights: str, needs: str) -> bool:
    order = ["none", "read", "write", "admin"]
    return order.index(rights) >= order.index(needs)


def test_a_reader_sees_chats_and_can_neither_write_nor_link(desk: Desk, acme_manager: Person) -> None:
    desk.grant(acme_manager)
    client = at_browser(acme_manager)

    chat = content(client.get(address(desk, "/chats/{chat}")))
    overview = content(client.get("/"))

    assert "Are you open?" in chat
    assert "<textarea" not in chat
    assert "Chats</a>" in overview
    assert not any(word in overview for word in ("Link a phone", "Add a number", "/pause", "/unlink", "/rename"))


def test_codes_are_only_for_those_who_may_link(desk: Desk, acme_admin: Person, acme_manager: Person) -> None:
    desk.grant(acme_manager)
    shows_codes(desk, qr="2@secret,a,b,c")

    seen = content(at_browser(acme_admin).get(desk.at("/link")))

    assert "2@secret" in seen
    assert "<svg" in seen
    for tail in ("", "/chats", "/link", "/link?part=link"):
        assert "2@secret" not in content(at_browser(acme_manager).get(desk.at(tail)))


def shows_codes(desk: Desk, **challenge: Any) -> None:
    desk.is_in(State.PAIRING, wanted=Wanted.RUNNING, device_jid="", reason=Reason.WAITING_FOR_SCAN)
    soon = timezone.now() + timedelta(seconds=30)
    fields = {"qr_expires_at": soon, "pairing_code_expires_at": soon, **challenge}
    desk.run(Session.objects.filter(pk=desk.session.pk).update, **fields)


def test_an_operator_of_no_company_gets_a_hint_and_stays_logged_in(operator: Person) -> None:
    client = at_browser(operator)

    response = client.get("/")

    assert "/admin/" in content(response)
    assert client.get("/admin/").status_code == 200


def test_with_a_suspended_company_there_is_nothing_to_see_and_the_page_says_why(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)
    suspend_company(desk.company)

    response = client.get(desk.at())

    assert response.status_code == 403
    assert "The company is not active" in content(response)
    assert desk.session.name not in content(response)


# -- coming in -------------------------------------------------------------------------------------------------------
def log_in(client: Client, person: Person, **more: str) -> Any:
    return client.post("/login", {"email": person.user.email, "password": person.password, **more})


def test_logging_in_leads_to_where_one_wanted_to_go(desk: Desk, acme_admin: Person) -> None:
    client = at_browser()

    assert log_in(client, acme_admin, next=desk.at())["Location"] == desk.at()
    assert client.get(desk.at()).status_code == 200


def test_logging_in_leads_to_no_other_site(acme_admin: Person) -> None:
    assert log_in(at_browser(), acme_admin, next="https://elsewhere.test/")["Location"] == "/"


def test_a_wrong_password_is_told_kindly_and_the_email_is_kept(acme_admin: Person) -> None:
    response = at_browser().post("/login", {"email": "admin@acme.test", "password": "guess"})

    assert "Wrong e-mail or password" in content(response)
    assert 'value="admin@acme.test"' in content(response)
    assert "guess" not in content(response)


def test_guesses_are_slowed_down(acme_admin: Person) -> None:
    client = at_browser()
    for _ in range(10):
        client.post("/login", {"email": "admin@acme.test", "password": "guess"})

    response = log_in(client, acme_admin)

    assert (response.status_code, "Too many attempts" in content(response)) == (429, True)


def test_an_inactive_person_is_told_so(acme_admin: Person) -> None:
    User.objects.filter(pk=acme_admin.user.pk).update(is_active=False)

    assert "The account is not active" in content(log_in(at_browser(), acme_admin))


def test_rubbish_does_not_log_in(acme: Company) -> None:
    response = at_browser().post("/login", {"email": "a\x00b", "password": "c\x00d"})

    assert "Wrong e-mail or password" in content(response)


def test_who_is_logged_in_already_need_not_do_it_again(acme_admin: Person) -> None:
    assert at_browser(acme_admin).get("/login")["Location"] == "/"


def test_logging_out_is_a_post(acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    assert client.get("/logout").status_code == 405
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/").status_code == 302


def test_a_form_without_its_token_is_refused_with_a_page_of_ours(acme_admin: Person) -> None:
    client = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})

    response = log_in(client, acme_admin)

    assert (response.status_code, "Please try again" in content(response)) == (403, True)


def test_a_person_of_two_companies_changes_between_them(desk: Desk, globex: Company, acme_admin: Person) -> None:
    make_person(globex, Role.MANAGER, email=acme_admin.user.email)
    client = at_browser()
    log_in(client, acme_admin)

    there = client.post("/company", {"company": globex.pk}, follow=True)

    assert client.session[COMPANY_KEY] == globex.pk
    assert "Front desk" not in content(there)
    assert client.get(desk.at()).status_code == 404
    assert "Front desk" in content(client.post("/company", {"company": desk.company.pk}, follow=True))


@pytest.mark.parametrize("company", ["", "nowhere", "\x00"])
def test_nobody_changes_to_a_company_that_is_not_theirs(acme_admin: Person, globex: Company, company: str) -> None:
    client = at_browser(acme_admin)

    assert client.post("/company", {"company": company or globex.pk}).status_code == 404
    assert at_browser().post("/company", {"company": globex.pk}).status_code == 404


@pytest.mark.parametrize(("language", "word"), [("ru", "Вход в Wharf"), ("en", "Log in to Wharf")])
def test_pages_speak_the_readers_language(acme: Company, language: str, word: str) -> None:
    response = at_browser(language=language).get("/login")

    assert word in content(response)
    assert f'<html lang="{language}">' in content(response)


def test_a_chosen_language_is_kept_with_the_person(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    response = client.post("/language", {"language": "ru", "next": desk.at()})

    assert response["Location"] == desk.at()
    assert User.objects.get(pk=acme_admin.user.pk).language == "ru"
    assert "Подключено" in content(at_browser(acme_admin).get("/"))


def test_a_language_chosen_before_the_log_in_is_remembered(acme: Company) -> None:
    client = at_browser()
    client.post("/language", {"language": "ru"})

    assert "Вход в Wharf" in content(client.get("/login"))
    assert client.post("/language", {"language": "tlh"}).status_code == 404


@pytest.mark.parametrize("language", ["ru", "en"])
def test_no_page_mixes_languages(desk: Desk, acme_admin: Person, language: str) -> None:
    client = at_browser(acme_admin, language)

    pages = [content(client.get(address(desk, tail))) for tail in ("", "/link", "/chats/{chat}", "/unlink")]

    words_of = {"ru": ("Номера", "Привязать", "Сообщение", "Отвязать"), "en": ("Numbers", "Link", "Message", "Unlink")}
    other = "en" if language == "ru" else "ru"
    for page, own, foreign in zip(pages, words_of[language], words_of[other], strict=True):
        assert f">{own}" in page or f'"{own}' in page
        assert f">{foreign}<" not in page


# -- sessions --------------------------------------------------------------------------------------------------------
def test_a_list_without_sessions_says_what_to_do(acme_admin: Person, acme_manager: Person) -> None:
    assert "Add each of your WhatsApp numbers" in content(at_browser(acme_admin).get("/"))
    assert "has to give you access" in content(at_browser(acme_manager).get("/"))


def test_a_card_tells_number_state_network_and_unread(desk: Desk, acme_admin: Person) -> None:
    seen = content(at_browser(acme_admin).get("/?part=cards"))

    assert all(word in seen for word in ("Front desk", "+4915550100001", "Sandbox", ">1<span", "data-say"))
    assert "<html" not in seen


def test_a_session_is_created_and_started(desk: Desk, acme_admin: Person) -> None:
    response = at_browser(acme_admin).post("/sessions/new", {"name": "Back office", "network": "sandbox"})

    session_id = response["Location"].split("/")[2]
    assert response["Location"] == f"/sessions/{session_id}/link"
    row = desk.fresh(session_id)
    assert (row.name, row.network, row.placement.wanted) == ("Back office", "sandbox", Wanted.RUNNING)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"name": "x" * 81, "network": "sandbox"}, "must not be longer than 80"),
        ({"name": "x", "network": "telegram"}, "The network must be one of"),
    ],
)
def test_bad_input_is_explained_in_the_form(desk: Desk, acme_admin: Person, asked: dict[str, str], reason: str) -> None:
    client = at_browser(acme_admin)

    page, answer = client.post("/sessions/new", asked), client.post("/sessions/new", asked, headers=JSON)

    assert (page.status_code, reason in content(page), answer.status_code) == (400, True, 400)
    assert reason in answer.json()["message"]


def test_the_sandbox_is_offered_only_where_it_may_be_used(
    desk: Desk, acme_admin: Person, globex_admin: Person, settings: Settings
) -> None:
    assert "sandbox" in content(at_browser(acme_admin).get("/sessions/new"))
    assert "sandbox" not in content(at_browser(globex_admin).get("/sessions/new"))
    refused = at_browser(globex_admin).post("/sessions/new", {"network": "sandbox"})
    assert refused.status_code == 403
    settings.SANDBOX_URL = ""
    assert "sandbox" not in content(at_browser(acme_admin).get("/sessions/new"))


def test_only_admins_create_sessions(acme_manager: Person) -> None:
    client = at_browser(acme_manager)

    assert client.get("/sessions/new").status_code == 403
    assert client.post("/sessions/new", {"name": "Mine"}).status_code == 403


def test_pausing_and_starting(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    paused = client.post(desk.at("/pause"), {"from": "list"})
    assert (paused["Location"], desk.fresh().placement.wanted) == ("/", Wanted.STOPPED)
    started = client.post(desk.at("/start"), follow=True)
    assert desk.fresh().placement.wanted == Wanted.RUNNING
    assert "The session is being started." in content(started)


def test_nothing_is_done_by_looking(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)
    desk.is_in(State.UNPAIRED, wanted=Wanted.STOPPED, device_jid="", reason=Reason.NEVER_LINKED)

    assert [client.get(desk.at(tail)).status_code for tail in ("/start", "/pause", "/access")] == [405, 405, 405]
    assert [client.get(desk.at(tail)).status_code for tail in ("/unlink", "/archive", "/link")] == [200, 200, 200]
    assert desk.fresh().placement.wanted == Wanted.STOPPED
    assert desk.fresh().archived_at is None


def test_unlinking_asks_first(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    assert "Chats and messages are kept" in content(client.get(desk.at("/unlink?part=form")))
    client.post(desk.at("/unlink"))
    assert desk.fresh().placement.wanted == Wanted.UNLINKED


def test_a_linked_session_is_not_archived_and_the_reason_is_told(desk: Desk, acme_admin: Person) -> None:
    response = at_browser(acme_admin).post(desk.at("/archive"), follow=True)

    assert "Unlink the session before archiving it" in content(response)
    assert desk.fresh().archived_at is None


def test_an_archived_session_is_gone(desk: Desk, acme_admin: Person) -> None:
    client, spare = at_browser(acme_admin), desk.new_session("Spare")

    response = client.post(f"/sessions/{spare.pk}/archive", headers=JSON)

    assert response.json()["url"] == "/"
    assert client.get(f"/sessions/{spare.pk}").status_code == 404
    assert "Spare" not in content(client.get("/?part=cards"))


def test_renaming(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    client.post(desk.at("/rename"), {"name": "  <b>Harbour</b>   master "})
    too_long = client.post(desk.at("/rename"), {"name": "x" * 81})

    assert desk.fresh().name == "<b>Harbour</b> master"
    assert "&lt;b&gt;Harbour&lt;/b&gt; master" in content(client.get("/"))
    assert "<b>Harbour" not in content(client.get("/"))
    assert too_long.status_code == 400


@pytest.mark.parametrize(
    ("placement", "title", "offers"),
    [
        ({"state": State.UNPAIRED, "wanted": Wanted.STOPPED, "device_jid": ""}, "Not linked", "Link a phone"),
        ({"state": State.UNPAIRED, "wanted": Wanted.RUNNING, "device_jid": ""}, "Starting", "Cancel linking"),
        ({"state": State.STOPPED, "wanted": Wanted.STOPPED}, "Paused", "Start</button>"),
        ({"state": State.CONNECTED, "wanted": Wanted.STOPPED}, "Stopping", "Start</button>"),
        ({"state": State.CONNECTED, "wanted": Wanted.UNLINKED}, "Unlinking", "Rename"),
        ({"state": State.REFUSED, "wanted": Wanted.STOPPED, "reason": Reason.TEMPORARY_BAN}, "banned", "Start</bu"),
        ({"state": State.CONNECTED, "wanted": Wanted.RUNNING, "owner": None}, "Connecting", "Pause"),
    ],
)
def test_a_card_offers_what_makes_sense_now(
    desk: Desk, acme_admin: Person, placement: dict[str, Any], title: str, offers: str
) -> None:
    """The last one: nobody vouches for the connection, so nobody is told that it is there."""
    Placement.objects.filter(pk=desk.session.pk).update(**placement)

    seen = content(at_browser(acme_admin).get("/?part=cards"))

    assert title in seen
    assert offers in seen


def test_a_back_off_counts_down_and_can_be_cut_short(desk: Desk, acme_admin: Person) -> None:
    soon = timezone.now() + timedelta(minutes=3)
    desk.is_in(State.CONNECTING, reason=Reason.SERVER_UNREACHABLE, next_retry_at=soon)

    seen = content(at_browser(acme_admin).get(desk.at("?part=summary")))

    assert 'data-show="countdown"' in seen
    assert "Try now" in seen
    assert "WhatsApp cannot be reached" in seen


def test_the_history_is_in_words_and_names_who_asked(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)
    client.post(desk.at("/pause"))

    seen = content(client.get(desk.at("?part=history")))

    assert "Asked to pause" in seen
    assert "Admin Acme" in seen


def test_a_long_history_has_older_pages(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)
    for number in range(40):
        client.post(desk.at("/start" if number % 2 else "/pause"))

    assert "?page=2" in content(client.get(desk.at()))
    older = content(client.get(desk.at("?page=2&part=history")))
    assert older.count('class="line"') == 41 - 30
    assert "?page=3" not in older


# -- access ----------------------------------------------------------------------------------------------------------
def test_an_admin_grants_changes_and_revokes(desk: Desk, acme_admin: Person, acme_manager: Person) -> None:
    client = at_browser(acme_admin)
    assert "manager@acme.test" in content(client.get(desk.at()))

    client.post(desk.at("/access"), {"manager": acme_manager.user.pk, "can_read": "on", "can_write": "on"})
    assert rights_of(desk, acme_manager) == (True, True, False)
    client.post(desk.at("/access"), {"manager": acme_manager.user.pk, "can_manage_chats": "on"})
    assert rights_of(desk, acme_manager) == (False, False, True)
    client.post(desk.at(f"/access/{acme_manager.user.pk}/revoke"))

    assert rights_of(desk, acme_manager) is None


def rights_of(desk: Desk, manager: Person) -> tuple[bool, bool, bool] | None:
    row = desk.run(ManagerAccess.objects.filter(user_id=manager.user.pk).first)
    return (row.can_read, row.can_write, row.can_manage_chats) if row else None


def test_a_grant_without_any_right_is_not_made(desk: Desk, acme_admin: Person, acme_manager: Person) -> None:
    response = at_browser(acme_admin).post(desk.at("/access"), {"manager": acme_manager.user.pk}, follow=True)

    assert "Choose at least one right" in content(response)
    assert rights_of(desk, acme_manager) is None


def test_only_this_companys_managers_get_access(desk: Desk, acme_admin: Person, globex_manager: Person) -> None:
    response = at_browser(acme_admin).post(
        desk.at("/access"), {"manager": globex_manager.user.pk, "can_read": "on"}, headers=JSON
    )

    assert response.status_code == 404
    assert "manager@globex.test" not in content(at_browser(acme_admin).get(desk.at()))


# -- linking ---------------------------------------------------------------------------------------------------------
def test_where_nothing_runs_the_page_presses_the_button_itself(desk: Desk, acme_admin: Person) -> None:
    desk.is_in(State.UNPAIRED, wanted=Wanted.STOPPED, device_jid="", reason=Reason.NEVER_LINKED)

    seen = content(at_browser(acme_admin).get(desk.at("/link")))

    assert 'data-press="#start-linking"' in seen
    assert 'id="start-linking"' in seen
    assert desk.fresh().placement.wanted == Wanted.STOPPED


@pytest.mark.parametrize(
    ("placement", "seen"),
    [
        ({"reason": Reason.CODES_RAN_OUT}, "Nobody scanned in time"),
        ({"reason": Reason.PAIRING_REFUSED}, "did not complete the link"),
        ({"reason": Reason.PAIRING_CANCELLED}, "Linking was cancelled"),
        ({"reason": Reason.LOGGED_OUT_ON_PHONE}, "unlinked on the phone"),
        ({"wanted": Wanted.RUNNING}, "Getting a code from WhatsApp"),
        ({"state": State.CONNECTED, "wanted": Wanted.UNLINKED, "device_jid": "1:1@s"}, "Unlinking"),
        ({"state": State.STOPPED, "reason": Reason.PAUSED, "device_jid": "1:1@s"}, "the number is off"),
        (
            {
                "state": State.CONNECTING,
                "reason": Reason.FINISHING_LINK,
                "wanted": Wanted.RUNNING,
                "device_jid": "1:1@s",
            },
            "finishing the link",
        ),
    ],
)
def test_every_outcome_is_told_in_place(desk: Desk, acme_admin: Person, placement: dict[str, Any], seen: str) -> None:
    fields = {"state": State.UNPAIRED, "wanted": Wanted.STOPPED, "device_jid": "", **placement}
    Placement.objects.filter(pk=desk.session.pk).update(**fields)

    assert seen in content(at_browser(acme_admin).get(desk.at("/link?part=link")))


def test_a_code_is_shown_large_with_its_expiry(desk: Desk, acme_admin: Person) -> None:
    shows_codes(desk, pairing_code="ABCD-EFGH", pairing_phone="4915550100001")

    seen = content(at_browser(acme_admin).get(desk.at("/link?part=link")))

    assert 'id="pairing-code">ABCD-EFGH<' in seen
    assert "✨ Got a code for the number +4915550100001! Follow the steps below." in seen


@pytest.mark.parametrize(
    ("challenge", "seen"),
    [
        ({"pairing_phone": "4915550100001"}, "Asking WhatsApp for a code"),
        ({"pairing_phone": "4915550100001", "pairing_error": "429: rate-overlimit"}, "429: rate-overlimit"),
        (
            {"pairing_phone": "491", "pairing_code": "ABCD-EFGH", "pairing_code_expires_at": timezone.now()},
            "The code has expired",
        ),
    ],
)
def test_a_code_that_is_not_there_is_explained(
    desk: Desk, acme_admin: Person, challenge: dict[str, Any], seen: str
) -> None:
    shows_codes(desk, **challenge)

    page = content(at_browser(acme_admin).get(desk.at("/link?part=link")))

    assert seen in page
    assert "ABCD-EFGH" not in page


def test_asking_for_a_code(desk: Desk, acme_admin: Person) -> None:
    desk.is_in(State.UNPAIRED, wanted=Wanted.STOPPED, device_jid="")
    client = at_browser(acme_admin)

    wrong = client.post(desk.at("/link/code"), {"phone": "123"}, follow=True)
    client.post(desk.at("/link/code"), {"phone": "+49 (1555) 010-0001"})

    assert "This is not a phone number" in content(wrong)
    assert (desk.fresh().pairing_phone, desk.fresh().placement.wanted) == ("4915550100001", Wanted.RUNNING)


# -- chats -----------------------------------------------------------------------------------------------------------
def test_the_list_of_chats_searches(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    assert "Are you open?" in content(client.get(desk.at("/chats?part=list")))
    assert "Bob" in content(client.get(desk.at("/chats?part=list&q=010000")))
    assert "No chat fits" in content(client.get(desk.at("/chats?part=list&q=nobody")))


def test_what_a_customer_writes_is_text_and_nothing_else(desk: Desk, acme_admin: Person) -> None:
    desk.says('<script>alert("x")</script>')

    seen = content(at_browser(acme_admin).get(address(desk, "/chats/{chat}")))

    assert "&lt;script&gt;alert" in seen
    assert "<script>alert" not in seen


def test_a_manager_who_opens_a_chat_has_read_it_and_an_admin_only_looks(
    desk: Desk, acme_admin: Person, acme_manager: Person
) -> None:
    desk.grant(acme_manager)

    looked = content(at_browser(acme_admin).get(address(desk, "/chats/{chat}")))
    assert "Mark as read" in looked
    assert unread(desk) == 1
    at_browser(acme_manager).get(address(desk, "/chats/{chat}"))

    assert unread(desk) == 0


def unread(desk: Desk) -> int:
    return desk.run(Message.objects.filter(chat=desk.chat, from_me=False, is_read=False).count)


def test_an_admin_marks_as_read_by_a_button(desk: Desk, acme_admin: Person) -> None:
    at_browser(acme_admin).post(address(desk, "/chats/{chat}/read"))

    assert unread(desk) == 0


@pytest.mark.parametrize("status", [s for s in MessageStatus if s not in ("received", "unreadable")])
def test_each_status_has_a_mark_and_words(desk: Desk, acme_admin: Person, status: str) -> None:
    desk.says("Yes", from_me=True, sender=None, status=status, sent_by_id=acme_admin.user.pk)

    seen = content(at_browser(acme_admin).get(address(desk, "/chats/{chat}?part=messages")))

    mark, text = words.mark_of(status)
    assert f'title="{text}" data-status="{status}"' in seen
    assert f'href="#{mark}"' in seen
    assert "Admin Acme" in seen


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("not_on_whatsapp", "This number is not on WhatsApp."),
        ("whatsapp_479", "WhatsApp refused the message (error 479)."),
        ("new_chats_restricted", "WhatsApp does not let this number write to new people for a while."),
        ("expired", "It could not be sent in time."),
        ("refused", "WhatsApp refused the message."),
        ("no_answer", "It may have arrived"),
    ],
)
def test_a_failure_is_shown_with_its_reason(desk: Desk, acme_admin: Person, code: str, reason: str) -> None:
    desk.says("Yes", from_me=True, sender=None, status=MessageStatus.FAILED, error_code=code)

    assert reason in content(at_browser(acme_admin).get(address(desk, "/chats/{chat}")))


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"kind": "image"}, "Photo"),
        ({"kind": "hologram"}, "of a kind that is not shown here"),
        ({"status": MessageStatus.UNREADABLE}, "could not be read yet"),
        ({"status": MessageStatus.UNREADABLE, "error_code": "message_lost"}, "could not be received. Ask to send it"),
    ],
)
def test_a_message_without_text_says_what_it_is(
    desk: Desk, acme_admin: Person, fields: dict[str, str], seen: str
) -> None:
    desk.says("", **fields)

    assert seen in content(at_browser(acme_admin).get(address(desk, "/chats/{chat}")))


@pytest.mark.parametrize(
    ("fields", "is_said"),
    [
        ({"status": MessageStatus.SERVER_ACK}, True),
        ({"status": MessageStatus.QUEUED}, False),
        ({"status": MessageStatus.CANCELLED}, False),
        ({"status": MessageStatus.FAILED}, False),
        ({"status": MessageStatus.READ, "secret": b"x"}, False),
    ],
)
def test_what_was_written_on_the_phone_is_said_to_be(
    desk: Desk, acme_admin: Person, fields: dict[str, Any], is_said: bool
) -> None:
    desk.says("Yes", from_me=True, sender=None, **fields)

    assert ("On the phone" in content(at_browser(acme_admin).get(address(desk, "/chats/{chat}")))) is is_said


def test_sending_is_stopped_and_let_go_from_the_sessions_page(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)
    assert desk.at("/hold") in content(client.get(desk.at()))

    client.post(desk.at("/hold"))
    page = content(client.get(desk.at()))

    assert desk.fresh().queue_paused_at is not None
    assert ("Sending stopped" in page, desk.at("/release") in page, desk.at("/hold") in page) == (True, True, False)
    client.post(desk.at("/release"))
    assert desk.fresh().queue_paused_at is None


def test_sending_leads_back_to_the_chat(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    response = client.post(address(desk, "/chats/{chat}/send"), {"text": "We are."}, follow=True)

    assert 'data-status="queued"' in content(response)
    assert "We are." in content(response)


def test_a_script_gets_the_bubble(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    answer = client.post(address(desk, "/chats/{chat}/send"), {"text": "We are."}, headers=JSON).json()
    bubble = content(client.get(address(desk, "/chats/{chat}/messages/") + answer["id"]))

    assert bubble == answer["bubble"]
    assert f'data-key="{answer["id"]}"' in bubble


@pytest.mark.parametrize(
    ("text", "reason"), [("  ", "must not be empty"), ("x" * 4097, "must not be longer than 4096")]
)
def test_what_cannot_be_sent_is_refused_with_the_reason(desk: Desk, acme_admin: Person, text: str, reason: str) -> None:
    client, send = at_browser(acme_admin), address(desk, "/chats/{chat}/send")

    assert reason in client.post(send, {"text": text}, headers=JSON).json()["message"]
    assert reason in content(client.post(send, {"text": text}, follow=True))


def test_nothing_is_sent_from_a_session_that_is_off(desk: Desk, acme_admin: Person) -> None:
    desk.is_in(State.STOPPED, wanted=Wanted.STOPPED)

    answer = at_browser(acme_admin).post(address(desk, "/chats/{chat}/send"), {"text": "Hello?"}, headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (503, "session_not_connected")


def test_a_new_chat_starts_with_a_number_and_a_text(desk: Desk, acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    wrong = client.post(desk.at("/chats/new"), {"phone": "abc", "text": "Hello"})
    right = client.post(desk.at("/chats/new"), {"phone": "+49 1555 0100009", "text": "Hello"})

    assert (wrong.status_code, "This is not a phone number" in content(wrong)) == (400, True)
    assert "+4915550100009" in content(client.get(right["Location"]))


def test_older_messages_come_by_pages(desk: Desk, acme_admin: Person) -> None:
    for number in range(60):
        desk.says(f"Message {number:02}")
    client, chat = at_browser(acme_admin), address(desk, "/chats/{chat}")

    newest, older = content(client.get(chat)), content(client.get(f"{chat}?part=messages&page=2"))

    assert ("Message 59" in newest, "Message 05" in newest, "?page=2" in newest) == (True, False, True)
    assert ("Message 05" in older, "Message 59" in older, "?page=3" in older) == (True, False, False)


def test_chats_and_messages_of_others_are_not_there(desk: Desk, acme_admin: Person) -> None:
    client, row = at_browser(acme_admin), desk.says("Here")
    other = desk.new_session("Other")

    assert client.get(desk.at("/chats/nowhere")).status_code == 404
    assert client.get(f"/sessions/{other.pk}/chats/{desk.chat.pk}").status_code == 404
    assert client.get(desk.at(f"/chats/nowhere/messages/{row.pk}")).status_code == 404
    assert client.post(f"/sessions/{other.pk}/chats/{desk.chat.pk}/send", {"text": "x"}, headers=JSON).status_code in (
        404,
        503,
    )


# -- odd input -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("tail", ["/%00", "/chats?q=%00", "?page=%00", "/chats/%00"])
def test_what_no_text_can_hold_is_a_bad_request(desk: Desk, acme_admin: Person, tail: str) -> None:
    assert at_browser(acme_admin).get(desk.at(tail)).status_code in (400, 404)


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999999999999", "²"])
def test_rubbish_for_a_page_is_the_first_or_an_empty_one(desk: Desk, acme_admin: Person, page: str) -> None:
    client = at_browser(acme_admin)

    for tail in (f"?page={page}", f"/chats?more={page}", f"/chats/{desk.chat.pk}?page={page}"):
        assert client.get(desk.at(tail)).status_code == 200


def test_errors_have_pages_of_ours(acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    missing = client.get("/nowhere")

    assert (missing.status_code, "There is nothing here" in content(missing)) == (404, True)
    assert client.get("/api/nowhere").json()["success"] is False


def test_the_page_for_our_own_failures_needs_nothing(client: Client) -> None:
    from django.template.loader import render_to_string

    seen = render_to_string("500.html")

    assert "{%" not in seen
    assert "Something went wrong" in seen
    assert "/static/pages/wharf.css" in seen


# -- cost ------------------------------------------------------------------------------------------------------------
def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


@pytest.mark.parametrize("who", ["admin", "manager"])
def test_a_list_costs_the_same_however_long_it_is(
    desk: Desk, acme_admin: Person, acme_manager: Person, who: str
) -> None:
    desk.grant(acme_manager)
    client = at_browser(acme_admin if who == "admin" else acme_manager)
    client.get("/")  # that they are here is written down once
    before = queries(client, "/")

    for number in range(6):
        desk.session = desk.new_session(f"Number {number}")
        desk.grant(acme_manager)

    assert queries(client, "/") == before <= 12


@pytest.mark.parametrize(
    ("tail", "most"),
    [("", 16), ("/link", 10), ("/chats", 14), ("/chats/{chat}", 20), ("/chats/{chat}?part=messages", 12)],
)
def test_a_page_costs_the_same_however_much_happened(desk: Desk, acme_admin: Person, tail: str, most: int) -> None:
    client = at_browser(acme_admin)
    client.get("/")  # that they are here is written down once
    before = queries(client, address(desk, tail))

    for number in range(20):
        desk.says(f"Message {number}", from_me=bool(number % 2), sent_by_id=acme_admin.user.pk)
    client.post(desk.at("/pause"))

    assert queries(client, address(desk, tail)) == before <= most


@pytest.mark.parametrize("tail", ["/", "/link", "/chats/{chat}"])
def test_pages_are_light(desk: Desk, acme_admin: Person, tail: str) -> None:
    shows_codes(desk, qr="2@" + "x" * 230)
    for number in range(60):
        desk.says(f"Message {number} " + "word " * 20)
    path = tail if tail == "/" else address(desk, tail)

    html = at_browser(acme_admin).get(path).content
    files = settings.STATICFILES_DIRS[0].glob("pages/*")

    assert len(html) + sum(file.stat().st_size for file in files) < 150_000


@pytest.mark.parametrize("tail", ["/", "", "/link", "/chats/{chat}", "/rename"])
def test_nothing_inline_and_nothing_foreign(desk: Desk, acme_admin: Person, tail: str) -> None:
    path = tail if tail == "/" else address(desk, tail)

    html = content(at_browser(acme_admin).get(path))

    assert not any(sign in html for sign in ("<style", "style=", "onclick", "<script>", "https://"))


@pytest.mark.parametrize(
    ("shown", "names"),
    [("", {"Bob", "Read"}), ("unread", {"Bob"}), ("archived", {"Old"}), ("rubbish", {"Bob", "Read"})],
)
def test_chats_are_those_that_are_asked_for(desk: Desk, acme_admin: Person, shown: str, names: set[str]) -> None:
    for number, name in enumerate(("Read", "Old")):
        contact = desk.run(
            Contact.objects.create, account=desk.account, phone_number=f"491555000{number}", push_name=name
        )
        desk.run(Chat.objects.create, account=desk.account, contact=contact, is_archived=name == "Old")

    page = at_browser(acme_admin).get(desk.at("/chats"), {"show": shown, "part": "list"})

    assert set(re.findall(r'class="chat-name">([^<]*)<', content(page))) == names


def test_a_list_keeps_what_it_was_asked_for_when_it_is_renewed_searched_or_made_longer(
    desk: Desk, acme_admin: Person
) -> None:
    page = content(at_browser(acme_admin).get(desk.at("/chats"), {"show": "unread", "q": "Bo & Co"}))

    assert f'data-part="{desk.at("/chats")}?part=list&amp;show=unread&amp;q=Bo+%26+Co"' in page
    assert '<input type="hidden" name="show" value="unread">' in page
    assert "No chat fits." in page
