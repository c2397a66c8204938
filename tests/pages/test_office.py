"""The office: a company's admins see their company's rows, do deeds through the services, and nobody else gets in."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts.models import ApiKey, Membership, Role, User
from accounts.permissions import SYSTEM
from accounts.services import api_keys, people, second_factor
from audit.models import Entry
from audit.verbs import Verb
from fleet.models import Placement, Worker
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.domains import save_domain
from tenants.models import Company
from tests.pages.conftest import Desk, at_browser
from tests.pages.test_two_steps import App, log_in_at_page
from tests.people import Person, make_person
from wharf.networks import parse_networks
from whatsapp.models import WebhookEndpoint
from whatsapp.office import office
from whatsapp.services import sessions, webhooks

pytestmark = pytest.mark.django_db

NUMBERS = "/office/whatsapp/session/"
PEOPLE = "/office/accounts/membership/"
KEYS = "/office/accounts/apikey/"
WEBHOOKS = "/office/whatsapp/webhookendpoint/"
AUDIT = "/office/audit/entry/"


@pytest.fixture
def client(acme_admin: Person) -> Client:
    return at_browser(acme_admin)


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer
    return str(answer.content.decode())


def verbs(company: Company) -> list[str]:
    return run_in(company, lambda: list(Entry.objects.order_by("id").values_list("verb", flat=True)))


# -- who gets in -----------------------------------------------------------------------------------------------------
def test_an_admin_finds_the_five_things_and_nothing_else(client: Client, acme: Company) -> None:
    page = text_of(client.get("/office/"))

    assert len(office._registry) == 5
    for address in (NUMBERS, PEOPLE, KEYS, WEBHOOKS, AUDIT):
        assert address in page
        assert client.get(address).status_code == 200
    for address in ("/office/tenants/company/", "/office/fleet/worker/", "/office/accounts/user/"):
        assert client.get(address).status_code == 404


def test_a_thing_that_does_not_say_whose_it_is_cannot_be_registered() -> None:
    with pytest.raises(ImproperlyConfigured):
        office.register(Worker)


def test_whoever_has_not_taken_the_second_step_is_sent_to_log_in(acme_admin: Person) -> None:
    app = App(acme_admin)
    second_factor.turn_on(acme_admin.user, app.code(-1))
    client = at_browser()
    log_in_at_page(acme_admin, client)

    assert client.get("/office/").headers["Location"] == "/login?next=/office/"
    client.post("/login/code", {"code": app.code()})
    assert client.get("/office/").status_code == 200


def test_a_suspended_company_and_one_without_subscription_have_no_office(client: Client, acme: Company) -> None:
    for change in ({"is_active": False}, {"is_active": True, "subscription_status": "expired"}):
        Company.objects.filter(pk=acme.pk).update(**change)
        assert client.get("/office/").status_code == 403


# -- which company ---------------------------------------------------------------------------------------------------
def test_an_operator_at_a_companys_address_is_not_led_where_only_its_people_get_in(
    operator: Person, acme: Company, acme_admin: Person
) -> None:
    save_domain(company=acme, name="chat.acme.test")
    pages = [at_browser(person).get("/people", HTTP_HOST="chat.acme.test") for person in (operator, acme_admin)]

    assert [page.status_code for page in pages] == [200, 200]
    for address in ("/office/", PEOPLE):
        assert [f'href="{address}"' in text_of(page) for page in pages] == [False, True]


def test_people_of_two_companies_change_in_the_office_and_stay_in_it(acme_admin: Person, globex: Company) -> None:
    people.create_member(company=globex, email=acme_admin.user.email, role=Role.ADMIN, by=SYSTEM)
    Desk(acme_admin.company)
    client = at_browser(acme_admin)
    page = text_of(client.get(NUMBERS))
    assert "Front desk" in page
    assert "Globex" in page

    gone = client.post("/company", {"company": globex.pk, "next": "/office/"}, follow=True)

    assert gone.redirect_chain == [("/office/", 302)]
    assert gone.context["office_company"] == globex
    assert "Front desk" not in text_of(client.get(NUMBERS))


def test_whoever_only_manages_chats_elsewhere_is_led_to_the_pages_there(acme_admin: Person, globex: Company) -> None:
    people.create_member(company=globex, email=acme_admin.user.email, role=Role.MANAGER, by=SYSTEM)

    others = at_browser(acme_admin).get("/office/").context["other_companies"]

    assert others == [(globex, "/")]


def test_the_way_on_after_changing_the_company_stays_on_this_host(acme_admin: Person, acme: Company) -> None:
    gone = at_browser(acme_admin).post("/company", {"company": acme.pk, "next": "https://elsewhere.test/office/"})

    assert gone.headers["Location"] == "/"


# -- numbers ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("action", "wanted", "verb"),
    [("pause", Wanted.STOPPED, Verb.SESSION_PAUSED), ("unlink", Wanted.UNLINKED, Verb.SESSION_UNLINKED)],
)
def test_deeds_on_numbers_ask_first_and_are_the_persons_own(
    client: Client, acme: Company, acme_admin: Person, action: str, wanted: Wanted, verb: Verb
) -> None:
    desk = Desk(acme)
    chosen = {"action": action, "_selected_action": [desk.session.pk]}

    assert "Front desk" in text_of(client.post(NUMBERS, chosen))
    assert Placement.objects.get(pk=desk.session.pk).wanted == Wanted.RUNNING
    client.post(NUMBERS, chosen | {"confirmed": "yes"})

    assert Placement.objects.get(pk=desk.session.pk).wanted == wanted
    deed = run_in(acme, Entry.objects.latest, "id")
    assert (deed.verb, deed.actor_id, deed.actor_kind) == (verb, acme_admin.user.pk, "person")
    story = text_of(client.get(f"{NUMBERS}{desk.session.pk}/change/"))
    assert acme_admin.user.full_name in story
    assert LogEntry.objects.count() == 0


def test_numbers_are_found_by_name_and_state_and_those_put_away_are_not(client: Client, acme: Company) -> None:
    desk = Desk(acme)
    other = desk.new_session("Warehouse")
    away = desk.new_session("Long ago")
    run_in(acme, sessions.archive, company=acme, session_id=away.pk, by=SYSTEM)

    assert "Long ago" not in text_of(client.get(NUMBERS))
    found = text_of(client.get(NUMBERS, {"q": "wareh"}))
    assert other.pk in found
    assert desk.session.pk not in found
    found = text_of(client.get(NUMBERS, {"state": "connected"}))
    assert desk.session.pk in found
    assert other.pk not in found


def test_why_a_number_is_as_it_is_stands_in_words(client: Client, acme: Company) -> None:
    desk = Desk(acme)
    desk.is_in(State.UNPAIRED, reason="logged_out_on_phone", device_jid="", owner=None)

    assert "The device was unlinked on the phone. Link it again to go on." in text_of(client.get(NUMBERS))


# -- people ----------------------------------------------------------------------------------------------------------
NEW = {"email": "new@acme.test", "first_name": "New", "last_name": "One", "password": ""}


@pytest.mark.parametrize("role", Role)
def test_somebody_is_let_in_by_a_mail_as_on_the_pages(client: Client, acme: Company, role: Role) -> None:
    made = client.post(f"{PEOPLE}add/", NEW | {"role": role}, follow=True)

    assert made.status_code == 200
    row = Membership.objects.get(company=acme, user__email=NEW["email"])
    assert (row.role, row.is_kept_here) == (role, True)
    assert verbs(acme)[-1] == Verb.PERSON_ADDED
    assert LogEntry.objects.count() == 0


def test_what_is_refused_stands_at_its_field_and_nothing_typed_is_lost(client: Client, acme: Company) -> None:
    page = text_of(client.post(f"{PEOPLE}add/", NEW | {"role": "manager", "password": "abc"}))

    assert "new@acme.test" in page
    assert "6" in page
    assert not User.objects.filter(email=NEW["email"]).exists()
    Company.objects.filter(pk=acme.pk).update(max_managers=0)
    assert "new@acme.test" in text_of(client.post(f"{PEOPLE}add/", NEW | {"role": "manager"}))
    assert not User.objects.filter(email=NEW["email"]).exists()


def test_a_role_is_changed_and_a_person_is_let_go(client: Client, acme: Company, acme_manager: Person) -> None:
    assert acme_manager.membership is not None
    page = f"{PEOPLE}{acme_manager.membership.pk}/"

    client.post(f"{page}change/", {"role": "admin"})
    assert Membership.objects.get(pk=acme_manager.membership.pk).role == Role.ADMIN
    client.post(f"{page}delete/", {"post": "yes"})

    assert not Membership.objects.filter(pk=acme_manager.membership.pk).exists()
    assert User.objects.filter(pk=acme_manager.user.pk).exists()
    assert verbs(acme)[-2:] == [Verb.PERSON_CHANGED, Verb.PERSON_REMOVED]
    assert LogEntry.objects.count() == 0


def test_nobody_takes_their_own_rights_away(client: Client, acme: Company, acme_admin: Person) -> None:
    make_person(acme, Role.ADMIN)
    assert acme_admin.membership is not None
    page = f"{PEOPLE}{acme_admin.membership.pk}/"

    for answer in (client.post(f"{page}change/", {"role": "manager"}), client.post(f"{page}delete/", {"post": "yes"})):
        assert answer.status_code == 403
    assert Membership.objects.get(pk=acme_admin.membership.pk).role == Role.ADMIN


def test_a_person_is_seen_with_what_they_were_granted(client: Client, acme: Company, acme_manager: Person) -> None:
    Desk(acme).grant(acme_manager, write=True)
    assert acme_manager.membership is not None

    page = text_of(client.get(f"{PEOPLE}{acme_manager.membership.pk}/change/"))

    assert "Front desk" in page
    assert f"/people/{acme_manager.user.pk}" in page


# -- keys and webhooks -----------------------------------------------------------------------------------------------
def test_a_key_is_taken_back_after_a_question(client: Client, acme: Company, acme_admin: Person) -> None:
    row, secret = api_keys.create(company=acme, name="CRM", by=acme_admin.actor, scopes=["read"])
    chosen = {"action": "revoke", "_selected_action": [row.pk]}

    assert "CRM" in text_of(client.post(KEYS, chosen))
    assert ApiKey.objects.get(pk=row.pk).revoked_at is None
    client.post(KEYS, chosen | {"confirmed": "yes"})

    assert ApiKey.objects.get(pk=row.pk).revoked_at is not None
    assert verbs(acme)[-1] == Verb.KEY_REVOKED
    page = text_of(client.get(f"{KEYS}{row.pk}/change/"))
    assert "Taken back" in page
    assert secret not in page
    assert row.digest not in page


@pytest.fixture
def endpoint(acme: Company, acme_admin: Person, settings: Any) -> WebhookEndpoint:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")
    words: dict[str, Any] = {"url": "http://127.0.0.1/hook", "description": "CRM"}
    made, _ = run_in(acme, webhooks.create, company=acme, by=acme_admin.actor, **words)
    return made


def test_a_webhook_is_switched_off_after_a_question_and_on_again(
    client: Client, acme: Company, endpoint: WebhookEndpoint
) -> None:
    chosen = {"action": "switch_off", "_selected_action": [endpoint.pk]}

    assert "CRM" in text_of(client.post(WEBHOOKS, chosen))
    client.post(WEBHOOKS, chosen | {"confirmed": "yes"})
    assert not run_in(acme, WebhookEndpoint.objects.get, pk=endpoint.pk).is_active
    assert "Somebody switched it off" in text_of(client.get(f"{WEBHOOKS}{endpoint.pk}/change/"))
    client.post(WEBHOOKS, {**chosen, "action": "switch_on"})

    assert run_in(acme, WebhookEndpoint.objects.get, pk=endpoint.pk).is_active
    assert verbs(acme)[-2:] == [Verb.WEBHOOK_CHANGED, Verb.WEBHOOK_CHANGED]


# -- the audit -------------------------------------------------------------------------------------------------------
def test_the_audit_is_read_by_verb_by_person_and_by_day(client: Client, acme: Company, acme_admin: Person) -> None:
    desk = Desk(acme)
    run_in(acme, sessions.pause, company=acme, session_id=desk.session.pk, by=acme_admin.actor)

    def found(**asked: str) -> set[str]:
        return {row.verb for row in client.get(AUDIT, asked).context["cl"].result_list}

    assert found(verb=Verb.SESSION_PAUSED) == {Verb.SESSION_PAUSED}
    assert found(who=acme_admin.user.pk) == {Verb.SESSION_PAUSED}
    assert found(when="today") == found()
    assert found(about=desk.session.pk) == {Verb.SESSION_CREATED, Verb.SESSION_STARTED, Verb.SESSION_PAUSED}
    assert len(found()) > 2


@pytest.mark.parametrize("thing", ["number", "person"])
def test_the_history_of_a_thing_is_the_audits(client: Client, acme: Company, acme_manager: Person, thing: str) -> None:
    assert acme_manager.membership is not None
    session_id = Desk(acme).session.pk
    page, about, deeds = {
        "number": (f"{NUMBERS}{session_id}/history/", session_id, [Verb.SESSION_STARTED, Verb.SESSION_CREATED]),
        "person": (f"{PEOPLE}{acme_manager.membership.pk}/history/", acme_manager.user.pk, [Verb.PERSON_ADDED]),
    }[thing]

    led = client.get(page)

    assert (led.status_code, led.headers["Location"]) == (302, f"{AUDIT}?about={about}")
    found = client.get(led.headers["Location"]).context["cl"].result_list
    assert [row.verb for row in found] == deeds


def test_nothing_of_the_audit_can_be_changed_or_added(client: Client, acme: Company) -> None:
    Desk(acme)
    row = run_in(acme, Entry.objects.latest, "id")
    for page in (f"{AUDIT}add/", f"{AUDIT}{row.pk}/delete/", f"{AUDIT}{row.pk}/change/"):
        assert client.post(page, {"post": "yes", "verb": "login"}).status_code == 403, page


# -- what is wrong ---------------------------------------------------------------------------------------------------
def test_the_first_page_names_what_is_wrong_here_and_nothing_of_others(
    client: Client, acme: Company, globex: Company, endpoint: WebhookEndpoint
) -> None:
    assert "All are online." in text_of(client.get("/office/"))
    desk = Desk(acme)
    desk.is_in(State.CONNECTING, reason="connection_lost", owner=None)
    other = run_in(globex, sessions.create, company=globex, by=SYSTEM, name="Counter")
    Placement.objects.filter(pk=other.pk).update(device_jid="1:1@s.whatsapp.net", wanted="running")
    run_in(acme, WebhookEndpoint.objects.update, is_active=False, disabled_reason="gone")

    page = text_of(client.get("/office/"))

    for words in ("Front desk", f"{NUMBERS}{desk.session.pk}/change/", "CRM", "The receiver answered 410"):
        assert words in page
    assert "Counter" not in page


def test_the_menu_leads_admins_to_the_office_and_the_office_back(client: Client, acme_manager: Person) -> None:
    assert 'href="/office/"' in text_of(client.get("/"))
    assert 'href="/"' in text_of(client.get("/office/"))
    assert 'href="/office/"' not in text_of(at_browser(acme_manager).get("/"))
