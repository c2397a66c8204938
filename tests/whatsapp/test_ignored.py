"""What is said in groups is not kept unless a number's admin wants it; status and notices never are (seed row 78)."""

import pytest

from accounts.models import Role
from tests.conftest import ApiClients
from tests.pages.conftest import at_browser
from tests.people import Person as Somebody
from tests.people import make_person
from tests.waiting import eventually
from tests.whatsapp.desk import BOB, GROUP, NOON, Desk, acknowledged, receipt, text
from tests.whatsapp.harbour import Harbour
from whatsapp import live
from whatsapp.engine.port import MessageLost, MessageUnreadable, Person, ReactionReceived, TypingSeen
from whatsapp.models import Chat, Message, Reaction, Session
from whatsapp.services import typing

pytestmark = pytest.mark.django_db

IN_GROUP = (
    text("In the group", group=GROUP, sender=BOB),
    MessageUnreadable("UNREAD", NOON, GROUP, Person(), BOB),
    MessageLost("LOST", NOON, NOON, GROUP, Person(), BOB),
    ReactionReceived("IN-In the group", NOON, False, GROUP, Person(), BOB, "👍"),
)


@pytest.fixture
def ignoring(desk: Desk) -> Desk:
    Session.objects.update(ignores_groups=True)
    return desk


def test_a_new_number_ignores_groups(desk: Desk) -> None:
    assert Session().ignores_groups


def test_nothing_of_a_group_is_kept_and_the_rest_is(ignoring: Desk) -> None:
    ignoring.tell(text("One"), *IN_GROUP, text("Two", at=NOON + 1))

    assert ignoring.bodies() == ["One", "Two"]
    assert (Chat.objects.count(), Reaction.objects.count()) == (1, 0)


def test_whoever_wants_groups_has_them_from_then_on(ignoring: Desk, api: ApiClients, acme_admin: Somebody) -> None:
    ignoring.tell(*IN_GROUP)
    here = f"/api/whatsapp/sessions/{ignoring.session_id}"

    answer = api(acme_admin).patch(here, {"ignoresGroups": False}, format="json")
    ignoring.tell(text("Now", group=GROUP, sender=BOB))

    assert (answer.json()["data"]["ignoresGroups"], answer.json()["data"]["name"]) == (False, "Front desk")
    assert ignoring.bodies() == ["Now"]


def test_what_was_said_to_a_group_from_here_is_followed_all_the_same(desk: Desk) -> None:
    desk.tell(text("In the group", group=GROUP, sender=BOB))
    message_id = desk.queue("Ours", chat_id=Chat.objects.get().pk)
    desk.take()
    Session.objects.update(ignores_groups=True)

    desk.tell(acknowledged(message_id, "OUT", peer=Person()), receipt("OUT", group=GROUP))

    assert desk.status(message_id) == "delivered"


def test_who_types_in_an_ignored_group_is_no_news(desk: Desk, hints: list[live.Hint]) -> None:
    desk.tell(text("In the group", group=GROUP, sender=BOB))
    Session.objects.update(ignores_groups=True)
    hints.clear()

    event = TypingSeen(GROUP, Person(), BOB, True)
    typing.tell(company=desk.company, session_id=desk.session_id, events=[event])

    assert hints == []


def test_an_admin_changes_it_on_the_numbers_page_and_a_manager_may_not(desk: Desk, acme_admin: Somebody) -> None:
    here = f"/sessions/{desk.session_id}"
    client, manager = at_browser(acme_admin), at_browser(make_person(desk.company, Role.MANAGER))

    def is_checked() -> bool:
        return 'name="ignores_groups" checked' in client.get(here).content.decode()

    assert not is_checked()
    assert client.post(f"{here}/ignored", {"ignores_groups": "on"}).status_code == 302
    assert is_checked()
    assert manager.post(f"{here}/ignored").status_code == 403
    client.post(f"{here}/ignored")
    assert not is_checked()


def test_a_change_of_nothing_is_refused(desk: Desk, api: ApiClients, acme_admin: Somebody) -> None:
    answer = api(acme_admin).patch(f"/api/whatsapp/sessions/{desk.session_id}", {}, format="json")

    assert answer.status_code == 400


@pytest.mark.django_db(transaction=True)
def test_a_real_number_ignores_its_groups_until_told_otherwise(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    group = harbour.wa.group("Neighbours", shop, bob)

    harbour.wa.send_group_text(bob, group, "Ignored")
    harbour.wa.send_text(bob, shop, "To you alone")
    harbour.received("To you alone")
    harbour.run(Session.objects.filter(pk=session_id).update, ignores_groups=False)
    harbour.wa.send_group_text(bob, group, "Kept")

    eventually(lambda: harbour.run(Message.objects.filter(body="Kept").exists), what="kept now")
    assert harbour.run(lambda: set(Message.objects.values_list("body", flat=True))) == {"To you alone", "Kept"}
