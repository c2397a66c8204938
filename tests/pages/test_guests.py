"""Links by which the owner of a phone links it without an account: secret, once, for a while, and for one number."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.permissions import SYSTEM
from fleet import invitations
from fleet.models import LinkInvitation, Placement
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.domains import save_domain
from tenants.models import Company, SubscriptionStatus
from tests.pages.conftest import Desk, at_browser
from tests.people import Person
from whatsapp.engine.port import Connected
from whatsapp.models import Session
from whatsapp.services import access, inviting, linking, sessions

pytestmark = pytest.mark.django_db


def content(response: Any) -> str:
    return str(response.content.decode())


@pytest.fixture
def unlinked(desk: Desk) -> Desk:
    """Its number has no phone; codes are on show."""
    desk.is_in(State.PAIRING, wanted=Wanted.RUNNING, device_jid="", reason=Reason.WAITING_FOR_SCAN)
    soon = timezone.now() + timedelta(minutes=5)
    desk.run(Session.objects.filter(pk=desk.session.pk).update, qr="2@shown", qr_expires_at=soon)
    return desk


def made(desk: Desk, *, hours: int = 24) -> tuple[str, str]:
    """The address of an invitation, and its secret."""
    row, secret = desk.run(inviting.invite, company=desk.company, session_id=desk.session.pk, hours=hours, by=SYSTEM)
    return f"/link/{row.pk}", secret


def entered(desk: Desk) -> tuple[Client, str]:
    address, secret = made(desk)
    client = at_browser()
    client.post(f"{address}/enter", {"secret": secret})
    return client, address


def only() -> LinkInvitation:
    return LinkInvitation.objects.get()


# -- inviting --------------------------------------------------------------------------------------------------------
def test_a_link_is_shown_once_and_its_secret_is_stored_nowhere(unlinked: Desk, acme_admin: Person) -> None:
    browser = at_browser(acme_admin)

    shown = content(browser.post(unlinked.at("/invite"), {"hours": "168"}))

    address, secret = re.search(r'value="(http://testserver/link/\w+)#([\w-]{40,})"', shown).groups()  # type: ignore[union-attr]
    assert secret not in content(browser.get(unlinked.at("/invite")))
    row = only()
    assert address.endswith(row.pk)
    assert secret not in str(LinkInvitation.objects.values().get())
    assert timedelta(days=6) < row.expires_at - timezone.now() <= timedelta(days=7)
    assert row.made_by_name == acme_admin.user.full_name


@pytest.mark.parametrize("hours", ["", "0", "24000", "1e9", "-1", "²"])
def test_rubbish_makes_the_shortest_link(unlinked: Desk, acme_admin: Person, hours: str) -> None:
    assert at_browser(acme_admin).post(unlinked.at("/invite"), {"hours": hours}).status_code == 200

    assert only().expires_at - timezone.now() <= timedelta(hours=1)


def test_a_number_with_a_phone_needs_no_link(desk: Desk, acme_admin: Person) -> None:
    browser = at_browser(acme_admin)

    response = browser.post(desk.at("/invite"), {"hours": "1"})

    assert response.status_code == 409
    assert "A phone is already linked" in content(response)
    assert "<select" not in content(response)
    assert not LinkInvitation.objects.exists()


def test_there_are_only_so_many_open_links(unlinked: Desk, acme_admin: Person) -> None:
    for _ in range(inviting.MOST_OPEN):
        made(unlinked)

    response = at_browser(acme_admin).post(unlinked.at("/invite"), {"hours": "1"})

    assert (response.status_code, LinkInvitation.objects.count()) == (409, inviting.MOST_OPEN)


def test_who_may_link_may_invite_and_who_may_only_read_may_not(
    unlinked: Desk, acme_manager: Person, acme_admin: Person
) -> None:
    unlinked.grant(acme_manager)
    assert at_browser(acme_manager).post(unlinked.at("/invite")).status_code == 403

    unlinked.grant(acme_manager, write=True)
    assert at_browser(acme_manager).post(unlinked.at("/invite")).status_code == 200


def test_a_link_of_another_number_is_not_taken_back_here(unlinked: Desk, acme_admin: Person) -> None:
    made(unlinked)
    other = unlinked.new_session("Back office")

    response = at_browser(acme_admin).post(
        f"/sessions/{other.pk}/invite/{only().pk}/revoke", headers={"accept": "application/json"}
    )

    assert (response.status_code, only().revoked_at) == (404, None)


# -- the door --------------------------------------------------------------------------------------------------------
def test_the_door_is_the_same_for_every_address(unlinked: Desk) -> None:
    address, _ = made(unlinked)

    real, unknown = (at_browser().get(each) for each in (address, "/link/01kzzzzzzzzzzzzzzzzzzzzzzz"))

    token = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
    bodies = [
        token.sub("", content(each)).replace(each.request["PATH_INFO"].split("/")[2], "") for each in (real, unknown)
    ]
    assert (real.status_code, unknown.status_code, bodies[0]) == (200, 200, bodies[1])
    assert unlinked.company.name not in bodies[0]
    assert real["Cache-Control"] == "no-store"
    assert real["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("secret", ["", "x" * 43, "\x00"])
def test_a_wrong_secret_opens_nothing(unlinked: Desk, secret: str) -> None:
    address, _ = made(unlinked)
    browser = at_browser()

    response = browser.post(f"{address}/enter", {"secret": secret})

    assert response.status_code in (400, 404)
    assert "2@shown" not in content(browser.get(address))
    assert only().opened_at is None


def test_the_secret_of_one_link_does_not_open_another(unlinked: Desk) -> None:
    (first, _), (_, secret) = made(unlinked), made(unlinked)

    assert at_browser().post(f"{first}/enter", {"secret": secret}).status_code == 404


def test_deeds_need_the_door_too(unlinked: Desk) -> None:
    address, _ = made(unlinked)

    for deed in ("start", "code"):
        assert at_browser().post(f"{address}/{deed}", {"phone": "+4915551112233"}).status_code == 404


# -- inside ----------------------------------------------------------------------------------------------------------
def test_a_guest_sees_the_codes_and_nothing_else(unlinked: Desk) -> None:
    browser, address = entered(unlinked)

    shown = content(browser.get(address))

    assert unlinked.company.name in shown
    assert "2@shown" in shown
    assert "/chats" not in shown
    assert "/sessions" not in shown
    for elsewhere in ("/", unlinked.at(), unlinked.at("/link"), unlinked.at("/chats")):
        assert browser.get(elsewhere)["Location"].startswith("/login"), elsewhere


def test_a_guest_starts_the_link_and_asks_for_a_code(unlinked: Desk) -> None:
    unlinked.is_in(State.UNPAIRED, wanted=Wanted.STOPPED, reason=Reason.CODES_RAN_OUT)
    browser, address = entered(unlinked)

    browser.post(f"{address}/start")
    browser.post(f"{address}/code", {"phone": "+49 155 51112233"})

    row = unlinked.fresh()
    assert (row.placement.wanted, row.pairing_phone) == (Wanted.RUNNING, "4915551112233")


def test_a_wrong_number_is_said_to_a_guest(unlinked: Desk) -> None:
    browser, address = entered(unlinked)

    response = browser.post(f"{address}/code", {"phone": "12"}, headers={"accept": "application/json"})

    assert (response.status_code, response.json()["code"]) == (400, "bad_phone_number")


def test_a_guest_of_one_number_is_nobody_at_another(unlinked: Desk) -> None:
    entered(unlinked)
    other = unlinked.new_session("Back office")
    guest = inviting.guest_of(only().pk)

    assert unlinked.run(access.permissions_on, other.pk, guest.actor) == frozenset()
    assert unlinked.run(lambda: list(access.visible_sessions(guest.actor))) == []
    assert guest.actor.permissions == frozenset()


# -- the end ---------------------------------------------------------------------------------------------------------
def links(desk: Desk) -> None:
    """As the worker writes it when a phone has agreed."""

    def write() -> None:
        session = Session.objects.get(pk=desk.session.pk)
        placement = Placement.objects.get(pk=session.pk)
        linking.record_device(desk.company, session, placement, "4915550100001:2@s.whatsapp.net")

    desk.run(write)


def test_a_link_is_good_for_one_phone(unlinked: Desk) -> None:
    browser, address = entered(unlinked)
    unused, secret = made(unlinked)

    links(unlinked)
    unlinked.is_in(State.CONNECTED, reason="")

    assert "WhatsApp is connected!" in content(browser.get(address))
    assert browser.post(f"{address}/start").status_code == 410
    assert at_browser().post(f"{unused}/enter", {"secret": secret}).status_code == 410
    # Taken off the phone again, a while later: it does not begin anew.
    LinkInvitation.objects.update(spent_at=timezone.now() - inviting.FAREWELL)
    unlinked.is_in(State.PAIRING, wanted=Wanted.RUNNING, device_jid="", reason=Reason.WAITING_FOR_SCAN)
    response = browser.get(address)
    assert (response.status_code, "2@shown" in content(response)) == (410, False)


def test_codes_of_a_second_link_are_not_for_who_was_linked_by_the_first(unlinked: Desk) -> None:
    browser, address = entered(unlinked)
    links(unlinked)
    unlinked.is_in(State.PAIRING, wanted=Wanted.RUNNING, device_jid="", reason=Reason.WAITING_FOR_SCAN)

    response = browser.get(address, {"part": "link"})

    assert (response.status_code, "2@shown" in content(response)) == (410, False)


def expire() -> None:
    LinkInvitation.objects.update(expires_at=timezone.now())


def suspend() -> None:
    Company.objects.update(subscription_status=SubscriptionStatus.SUSPENDED)


def close() -> None:
    Company.objects.update(is_active=False)


@pytest.mark.parametrize("ends", [expire, suspend, close, lambda: invitations.revoke(only().session_id, only().pk)])
def test_whoever_is_inside_is_out_as_soon_as_it_is_over(unlinked: Desk, ends: Any) -> None:
    browser, address = entered(unlinked)
    assert "2@shown" in content(browser.get(address))

    ends()

    for path in (address, f"{address}?part=link"):
        response = browser.get(path)
        assert response.status_code in (402, 403, 404, 410)
        assert "2@shown" not in content(response)
    before = Placement.objects.values().get(pk=unlinked.session.pk)
    assert browser.post(f"{address}/start").status_code in (402, 403, 404, 410)
    assert Placement.objects.values().get(pk=unlinked.session.pk) == before


def test_an_archived_number_is_linked_by_nobody(unlinked: Desk) -> None:
    browser, address = entered(unlinked)
    unlinked.is_in(State.UNPAIRED, wanted=Wanted.STOPPED)
    unlinked.run(sessions.archive, company=unlinked.company, session_id=unlinked.session.pk, by=SYSTEM)

    assert browser.get(address).status_code == 404


def test_a_companys_own_address_knows_no_other_companys_links(unlinked: Desk, globex: Company) -> None:
    save_domain(company=globex, name="globex.test")
    browser, address = entered(unlinked)

    assert browser.get(address, headers={"host": "globex.test"}).status_code == 404


def test_connecting_as_another_device_spends_links_too(unlinked: Desk) -> None:
    made(unlinked)

    def connects() -> None:
        session = Session.objects.get(pk=unlinked.session.pk)
        placement = Placement.objects.get(pk=session.pk)
        linking.record_connected(unlinked.company, session, placement, Connected("4915550100001:3@s.whatsapp.net"))

    run_in(unlinked.company, connects)

    assert only().spent_at is not None
