"""The right to manage chats means something: archive, rename, hand over (seed row 58)."""

from typing import Any

import pytest

from accounts.models import Role
from tenants.context import run_in
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person, make_person
from tests.whatsapp.desk import Desk, text
from tests.whatsapp.test_api import SESSIONS, check_failure, grant, make_linked, receive
from whatsapp.models import Chat

pytestmark = pytest.mark.django_db


@pytest.fixture
def chat_path(acme: Company, acme_admin: Person) -> str:
    session_id = make_linked(acme, acme_admin)
    return f"{SESSIONS}/{session_id}/chats/{receive(acme, session_id, 'Hello')}"


def test_a_chat_is_renamed_archived_and_handed_over(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients, chat_path: str
) -> None:
    listing, chat_id = chat_path.rsplit("/", 1)
    grant(acme, listing.split("/")[-2], acme_manager, acme_admin)
    body = {"chatName": " Bob  from the bakery ", "isArchived": True, "assigneeId": acme_manager.user.pk}

    shape = api(acme_admin).patch(chat_path, body, format="json").json()["data"]

    assert shape["chatName"] == "Bob from the bakery"
    assert (shape["isArchived"], shape["assigneeId"]) == (True, acme_manager.user.pk)
    assert api(acme_admin).get(listing).json()["data"]["chats"] == []
    (archived,) = api(acme_admin).get(listing, {"archived": "true", "search": "bakery"}).json()["data"]["chats"]
    assert archived["id"] == chat_id
    back = api(acme_admin).patch(chat_path, {"chatName": "", "assigneeId": ""}, format="json").json()["data"]
    assert (back["chatName"], back["isArchived"], back["assigneeId"]) == ("Bob", True, None)


def test_what_a_customer_writes_brings_an_archived_chat_back(acme: Company) -> None:
    def write_twice() -> list[bool]:
        desk = Desk.open(acme)
        desk.tell(text("Hello"))
        Chat.objects.update(is_archived=True)
        desk.queue("We are open.", chat_id=desk.chat().pk)
        seen = [desk.chat().is_archived]
        desk.tell(text("Thanks"))
        return [*seen, desk.chat().is_archived]

    assert run_in(acme, write_twice) == [True, False]


@pytest.mark.parametrize(("may_manage", "status"), [(False, 403), (True, 200)])
def test_it_takes_the_right_to_manage_chats(
    acme: Company,
    acme_admin: Person,
    acme_manager: Person,
    api: ApiClients,
    chat_path: str,
    may_manage: bool,
    status: int,
) -> None:
    grant(acme, chat_path.split("/")[-3], acme_manager, acme_admin, can_manage_chats=may_manage)

    assert api(acme_manager).patch(chat_path, {"isArchived": True}, format="json").status_code == status


def test_a_chat_is_handed_only_to_somebody_who_may_read_it(
    acme: Company, acme_admin: Person, globex_admin: Person, api: ApiClients, chat_path: str
) -> None:
    ungranted = make_person(acme, Role.MANAGER)

    for person in (ungranted, globex_admin):
        answer = api(acme_admin).patch(chat_path, {"assigneeId": person.user.pk}, format="json")
        check_failure(answer, 404, "manager_not_found")
    own = api(acme_admin).patch(chat_path, {"assigneeId": acme_admin.user.pk}, format="json")
    assert own.status_code == 200


@pytest.mark.parametrize("body", [{"chatName": "x" * 121}, {"isArchived": "perhaps"}, {"assigneeId": ["a"]}, "text"])
def test_a_change_that_cannot_be_is_refused(acme_admin: Person, api: ApiClients, chat_path: str, body: Any) -> None:
    check_failure(api(acme_admin).patch(chat_path, body, format="json"), 400, "invalid")
