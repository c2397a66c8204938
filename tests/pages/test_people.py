"""People and access: who is in the company, and what each manager may, as Django's client sees it."""

import re
from typing import Any

import pytest
from django.core import mail

from accounts.models import Membership, Role, User
from accounts.permissions import Rights
from accounts.services import people
from tenants.models import Company
from tests.accounts.mailbox import code_for, deliver
from tests.accounts.test_api_keys import with_key
from tests.pages.conftest import Desk, at_browser
from tests.people import Person, make_person
from tests.whatsapp.test_key_scopes import key_of
from whatsapp.models import ManagerAccess

pytestmark = pytest.mark.django_db

JSON = {"accept": "application/json"}


def content(response: Any) -> str:
    return str(response.content.decode())


def page_of(person: Person, tail: str = "") -> str:
    return f"/people/{person.user.pk}{tail}"


def rights_of(desk: Desk, manager: Person) -> dict[str, Rights]:
    rows = desk.run(lambda: list(ManagerAccess.objects.filter(user_id=manager.user.pk)))
    return {row.session_id: row.rights for row in rows}


# -- the list --------------------------------------------------------------------------------------------------------
def test_admins_and_managers_are_listed_with_what_is_used_of_the_plan(
    desk: Desk, acme_admin: Person, acme_manager: Person, globex_manager: Person
) -> None:
    desk.grant(acme_manager)
    Company.objects.filter(pk=desk.company.pk).update(max_managers=5)

    seen = content(at_browser(acme_admin).get("/people"))

    assert "1 of 5 managers" in seen
    assert ">1 number<" in seen
    assert "admin@acme.test" in seen
    assert page_of(acme_manager) in seen
    assert "globex" not in seen


def test_without_managers_the_page_says_what_they_are_for(acme_admin: Person) -> None:
    assert "Managers answer customers on the numbers that you give them" in content(
        at_browser(acme_admin).get("/people")
    )


def test_a_full_plan_is_said(acme: Company, acme_admin: Person, acme_manager: Person) -> None:
    Company.objects.filter(pk=acme.pk).update(max_managers=1)

    assert "managers are used up" in content(at_browser(acme_admin).get("/people"))


def test_the_menu_leads_there_for_admins_alone(acme_admin: Person, acme_manager: Person) -> None:
    assert 'href="/people"' in content(at_browser(acme_admin).get("/"))
    assert 'href="/people"' not in content(at_browser(acme_manager).get("/"))
    assert at_browser(acme_manager).get("/people").status_code == 403


def test_who_was_here_is_seen_and_who_never_was_too(acme_admin: Person, acme_manager: Person) -> None:
    admin = at_browser(acme_admin)
    assert "never" in content(admin.get(page_of(acme_manager)))

    at_browser(acme_manager).get("/")

    assert 'data-show="ago"' in content(admin.get(page_of(acme_manager)))


def test_an_api_key_does_not_make_its_maker_seen(acme_admin: Person) -> None:
    assert with_key(key_of(acme_admin)).get("/api/whatsapp/sessions").status_code == 200

    assert Membership.objects.get(user=acme_admin.user).last_seen_at is None


# -- adding ----------------------------------------------------------------------------------------------------------
NEW = {"email": "Vera@acme.test", "first_name": "Vera", "last_name": "Lis"}


def test_who_is_invited_chooses_a_password_by_a_code(acme_admin: Person) -> None:
    response = at_browser(acme_admin).post("/people/new", {**NEW, "password": ""}, follow=True)

    assert "Vera Lis" in content(response)
    (letter,) = deliver()
    assert letter.to == ["vera@acme.test"]
    assert "/password" in letter.body
    vera = at_browser()
    vera.post("/password", {"email": "vera@acme.test"})
    code = code_for("vera@acme.test")
    chosen = {"email": "vera@acme.test", "code": code, "password": "lighthouse-41"}
    assert vera.post("/password", chosen)["Location"] == "/login"
    assert vera.post("/login", {"email": "vera@acme.test", "password": "lighthouse-41"})["Location"] == "/"
    assert User.objects.get(email="vera@acme.test").keeper is None


def test_a_password_that_the_admin_says_is_not_mailed(acme_admin: Person) -> None:
    at_browser(acme_admin).post("/people/new", {**NEW, "password": "harbour-lights-8"})

    (letter,) = deliver()

    assert "harbour-lights-8" not in letter.body
    assert "Your administrator tells you the password" in letter.body
    assert User.objects.get(email="vera@acme.test").check_password("harbour-lights-8")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"email": "nobody"}, "This is not an e-mail address"),
        ({"email": "x" * 250 + "@acme.test"}, "This is not an e-mail address"),
        ({"email": "manager@acme.test"}, "exists in the company already"),
        ({"password": "abc"}, "at least 6 characters"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    acme_admin: Person, acme_manager: Person, wrong: dict[str, str], reason: str
) -> None:
    response = at_browser(acme_admin).post("/people/new", {**NEW, **wrong})

    assert response.status_code == 400
    assert reason in content(response)
    assert 'value="Vera"' in content(response)
    assert "abc" not in content(response)
    assert not User.objects.filter(first_name="Vera").exists()


def test_a_script_is_told_what_is_wrong(acme: Company, acme_admin: Person, acme_manager: Person) -> None:
    Company.objects.filter(pk=acme.pk).update(max_managers=1)

    response = at_browser(acme_admin).post("/people/new", NEW, headers=JSON)

    assert (response.status_code, response.json()["code"]) == (403, "manager_limit_reached")


def test_a_full_plan_is_said_to_whoever_adds_one_without_a_script(
    acme: Company, acme_admin: Person, acme_manager: Person
) -> None:
    Company.objects.filter(pk=acme.pk).update(max_managers=1)

    response = at_browser(acme_admin).post("/people/new", NEW)

    assert "The limit on the number of managers of your plan has been reached" in content(response)


# -- changing --------------------------------------------------------------------------------------------------------
def test_names_and_the_address_are_changed(acme: Company, acme_admin: Person) -> None:
    made = people.create_member(company=acme, email="old@acme.test", role=Role.MANAGER, by=acme_admin.actor)
    client, address = at_browser(acme_admin), f"/people/{made.membership.user_id}"
    assert 'value="old@acme.test"' in content(client.get(f"{address}/change"))

    response = client.post(
        f"{address}/change", {"first_name": "Vera", "last_name": "", "email": "Vera@acme.test"}, follow=True
    )

    assert "Saved." in content(response)
    user = User.objects.get(pk=made.membership.user_id)
    assert (user.first_name, user.email) == ("Vera", "vera@acme.test")


def test_the_address_of_an_account_of_its_own_is_not_offered_and_not_taken(
    acme_admin: Person, acme_manager: Person
) -> None:
    client = at_browser(acme_admin)
    assert 'name="email"' not in content(client.get(page_of(acme_manager, "/change")))

    asked = {"first_name": "Vera", "last_name": "Lis", "email": "stolen@acme.test"}
    assert client.post(page_of(acme_manager, "/change"), asked, headers=JSON).json()["code"] == "person_decides"
    client.post(page_of(acme_manager, "/change"), {"first_name": "Vera", "last_name": "Lis"})

    assert "Vera Lis" in content(client.get(page_of(acme_manager)))
    user = User.objects.get(pk=acme_manager.user.pk)
    assert (user.email, user.first_name) == ("manager@acme.test", "Manager")


def test_a_mail_with_a_code_leads_to_a_new_password(acme_admin: Person, acme_manager: Person) -> None:
    response = at_browser(acme_admin).post(page_of(acme_manager, "/password"), follow=True)
    assert "A mail with a code is on its way" in content(response)

    (letter,) = deliver()
    assert letter.to == ["manager@acme.test"]
    found = re.search(r"\b\d{6}\b", str(letter.body))
    assert found
    assert found[0] not in content(response)
    chosen = {"email": "manager@acme.test", "code": found[0], "password": "lighthouse-41"}
    assert at_browser().post("/password", chosen)["Location"] == "/login"


def test_deactivating_asks_first_and_activating_undoes_it(acme_admin: Person, acme_manager: Person) -> None:
    admin, manager = at_browser(acme_admin), at_browser(acme_manager)
    assert "Deactivate this manager?" in content(admin.get(page_of(acme_manager, "/deactivate")))
    assert manager.get("/").status_code == 200

    admin.post(page_of(acme_manager, "/deactivate"))
    assert manager.get("/").status_code == 403
    assert "Deactivated" in content(admin.get("/people"))
    admin.post(page_of(acme_manager, "/activate"))

    assert manager.get("/").status_code == 200


def test_removing_asks_first_and_keeps_the_person(acme_admin: Person, acme_manager: Person) -> None:
    admin = at_browser(acme_admin)
    assert "Remove this manager?" in content(admin.get(page_of(acme_manager, "/remove")))

    response = admin.post(page_of(acme_manager, "/remove"), follow=True)

    assert response.redirect_chain == [("/people", 302)]
    assert not Membership.objects.filter(user=acme_manager.user).exists()
    assert User.objects.filter(pk=acme_manager.user.pk).exists()
    assert admin.get(page_of(acme_manager)).status_code == 404


def test_an_admin_has_no_page_here(acme: Company, acme_admin: Person) -> None:
    other = make_person(acme, Role.ADMIN)

    for tail in ("", "/change", "/remove", "/deactivate"):
        assert at_browser(acme_admin).get(page_of(other, tail)).status_code == 404


# -- rights ----------------------------------------------------------------------------------------------------------
def test_rights_on_several_numbers_are_saved_at_once(desk: Desk, acme_admin: Person, acme_manager: Person) -> None:
    desk.grant(acme_manager, read=True, write=True)
    first, second, third = desk.session.pk, desk.new_session("Second").pk, desk.new_session("Third").pk
    shown = content(at_browser(acme_admin).get(page_of(acme_manager)))
    assert shown.count(" checked") == 2
    assert all(name in shown for name in ("Front desk", "Second", "Third"))

    at_browser(acme_admin).post(
        page_of(acme_manager, "/rights"),
        {"shown": [first, second, third], "can_read": [second, third], "can_manage_chats": [third]},
    )

    assert rights_of(desk, acme_manager) == {second: Rights(can_read=True), third: Rights(True, False, True)}


def test_a_number_that_was_not_on_the_page_keeps_its_rights(
    desk: Desk, acme_admin: Person, acme_manager: Person
) -> None:
    desk.grant(acme_manager)
    second = desk.new_session("Second").pk

    at_browser(acme_admin).post(page_of(acme_manager, "/rights"), {"shown": [second], "can_write": [second]})

    assert set(rights_of(desk, acme_manager)) == {desk.session.pk, second}


def test_one_number_that_is_not_there_changes_nothing_at_all(
    desk: Desk, acme_admin: Person, acme_manager: Person
) -> None:
    asked = {"shown": [desk.session.pk, "nowhere"], "can_read": [desk.session.pk, "nowhere"]}

    assert at_browser(acme_admin).post(page_of(acme_manager, "/rights"), asked).status_code == 404
    assert rights_of(desk, acme_manager) == {}


def test_without_numbers_the_page_says_so(acme_admin: Person, acme_manager: Person) -> None:
    assert "Your company has no numbers yet" in content(at_browser(acme_admin).get(page_of(acme_manager)))


# -- a new password, by whoever has forgotten theirs -----------------------------------------------------------------
def test_nobody_learns_from_the_page_who_has_an_account(acme_manager: Person) -> None:
    answers = [
        content(at_browser().post("/password", {"email": email})) for email in ("manager@acme.test", "no@x.test")
    ]

    of_the_moment = re.compile(r'(value|data-now)="[^"]*"|\S+@\S+')
    same = {of_the_moment.sub("", answer) for answer in answers}
    assert len(same) == 1
    assert [letter.to for letter in deliver()] == [["manager@acme.test"]]
    assert mail.outbox == []


def test_a_wrong_code_is_said_and_may_be_typed_again(acme_manager: Person) -> None:
    client, asked = at_browser(), {"email": "manager@acme.test", "password": "lighthouse-41"}
    client.post("/password", {"email": "manager@acme.test"})
    code = code_for("manager@acme.test")

    wrong = client.post("/password", {**asked, "code": f"{(int(code) + 1) % 1_000_000:06d}"})

    assert (wrong.status_code, "Wrong code" in content(wrong), 'name="code"' in content(wrong)) == (400, True, True)
    assert client.post("/password", {**asked, "code": f" {code[:3]} {code[3:]}"})["Location"] == "/login"


def test_a_password_that_will_not_do_costs_no_second_code(acme: Company) -> None:
    person = make_person(acme, Role.MANAGER, email="m@acme.test", first_name="Wilhelmina")
    client, asked = at_browser(), {"email": person.user.email}
    client.post("/password", asked)
    code = code_for(person.user.email)

    short = client.post("/password", {**asked, "code": code, "password": "abc"})
    like_the_name = client.post("/password", {**asked, "code": code, "password": "wilhelmina"})
    token = re.search(r'name="token" value="(\w+)"', content(like_the_name))

    assert (short.status_code, like_the_name.status_code) == (400, 400)
    assert "at least 6 characters" in content(short)
    assert token
    chosen = {**asked, "token": token[1], "password": "lighthouse-41"}
    assert client.post("/password", chosen)["Location"] == "/login"


def test_a_token_that_proves_nothing_sets_no_password(acme_manager: Person) -> None:
    chosen = {"email": "manager@acme.test", "token": "0" * 64, "password": "lighthouse-41"}

    assert at_browser().post("/password", chosen).status_code == 400
    assert User.objects.get(pk=acme_manager.user.pk).check_password(acme_manager.password)


def test_codes_are_not_sent_without_end(acme_manager: Person) -> None:
    client = at_browser()
    answers = [client.post("/password", {"email": "manager@acme.test"}).status_code for _ in range(6)]

    assert answers == [200] * 5 + [429]
