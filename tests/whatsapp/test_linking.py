"""Codes on show, the device that was linked, and the number's account with all its history."""

import pytest

from accounts.permissions import SYSTEM
from fleet.models import Network, Placement
from fleet.states import State, Wanted
from tenants.models import Company
from tests.whatsapp.desk import SHOP, SHOP_LID, Desk, receipt, text
from whatsapp.engine.port import ChallengeIssued, Connected, Ended, Ending, Paired
from whatsapp.errors import AlreadyLinked, BadPhoneNumber, PhoneNumberMissing
from whatsapp.models import Account, Message
from whatsapp.services import linking, owning, sessions

pytestmark = pytest.mark.django_db

OTHER = "4915550000002"


@pytest.fixture
def fresh(acme: Company, desk: Desk) -> Desk:
    """A second session, not linked yet."""
    return Desk.unlinked(acme, "Second")


# -- codes -----------------------------------------------------------------------------------------------------------
def test_a_new_code_takes_the_place_of_the_one_before(fresh: Desk) -> None:
    fresh.tell(ChallengeIssued("qr", "2@one", 60), ChallengeIssued("qr", "2@two", 20))

    assert fresh.session.current_qr == "2@two"
    assert fresh.placement.state == State.PAIRING


def test_an_expired_code_is_not_shown(fresh: Desk) -> None:
    fresh.tell(ChallengeIssued("qr", "2@one", -1), ChallengeIssued("code", "ABCDEFGH", -1))

    assert (fresh.session.qr, fresh.session.current_qr, fresh.session.current_code) == ("2@one", "", "")


def test_codes_are_gone_as_soon_as_the_phone_agreed(fresh: Desk) -> None:
    sessions.request_code(company=fresh.company, session_id=fresh.session_id, phone=f"+{OTHER}", by=SYSTEM)
    fresh.tell(ChallengeIssued("qr", "2@one", 60), ChallengeIssued("code", "ABCD-EFGH", 60))

    fresh.tell(Paired(f"{OTHER}:2@s.whatsapp.net"))

    row = fresh.session
    assert (row.qr, row.pairing_code, row.pairing_phone, row.pairing_requested_at) == ("", "", "", None)
    assert fresh.placement.device_jid == f"{OTHER}:2@s.whatsapp.net"
    assert fresh.placement.store_id == "disk"


def test_a_code_is_asked_for_once_for_each_request(fresh: Desk) -> None:
    assert owning.wanted_code(session_id=fresh.session_id) is None
    sessions.request_code(company=fresh.company, session_id=fresh.session_id, phone="8 (912) 345-67-89", by=SYSTEM)
    first = owning.wanted_code(session_id=fresh.session_id)
    assert first is not None
    assert first.phone == "79123456789"

    fresh.tell(ChallengeIssued("code", "ABCDEFGH", 60))
    assert owning.wanted_code(session_id=fresh.session_id) is None
    sessions.request_code(company=fresh.company, session_id=fresh.session_id, phone="+79123456789", by=SYSTEM)
    second = owning.wanted_code(session_id=fresh.session_id)

    assert second is not None
    assert second.at > first.at


@pytest.mark.parametrize(("phone", "error"), [("", PhoneNumberMissing), ("12", BadPhoneNumber)])
def test_no_code_is_asked_for_without_a_number(fresh: Desk, phone: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        sessions.request_code(company=fresh.company, session_id=fresh.session_id, phone=phone, by=SYSTEM)
    assert owning.wanted_code(session_id=fresh.session_id) is None


def test_no_code_is_asked_for_while_a_phone_is_linked(desk: Desk) -> None:
    with pytest.raises(AlreadyLinked):
        sessions.request_code(company=desk.company, session_id=desk.session_id, phone=f"+{OTHER}", by=SYSTEM)


# -- accounts --------------------------------------------------------------------------------------------------------
def test_the_account_knows_its_owners_names_and_keeps_them(desk: Desk) -> None:
    desk.tell(Connected(f"{SHOP}:1@s.whatsapp.net"))

    account = Account.objects.get()
    assert (account.phone_number, account.lid, account.push_name) == (SHOP, SHOP_LID, "Shop")


def test_two_sessions_of_one_number_share_its_account(acme: Company, desk: Desk) -> None:
    second = Desk.open(acme, name="Back office")

    assert desk.session.account == second.session.account


def test_the_sandboxs_number_is_another_account_than_whatsapps(acme: Company, desk: Desk) -> None:
    Company.objects.filter(pk=acme.pk).update(sandbox_allowed=True)
    session = sessions.create(company=acme, by=SYSTEM, name="Try", network=Network.SANDBOX)

    linking.attach_account(session, f"{SHOP}:1@s.whatsapp.net")

    assert session.account != desk.session.account
    assert Account.objects.filter(phone_number=SHOP).count() == 2


def test_messages_that_come_before_we_know_that_we_are_connected_find_their_account(fresh: Desk) -> None:
    fresh.tell(ChallengeIssued("qr", "2@one", 60), Paired(f"{OTHER}:2@s.whatsapp.net"))

    fresh.tell(receipt("EARLY"), text("Early"), Connected(f"{OTHER}:2@s.whatsapp.net"), text("Later"))

    assert fresh.session.account == Account.objects.get(phone_number=OTHER)
    assert set(Message.objects.values_list("account__phone_number", "session_id")) == {(OTHER, fresh.session_id)}


def test_another_number_on_the_same_session_has_chats_of_its_own(desk: Desk) -> None:
    desk.tell(text("To the first number"), Ended(Ending.LOGGED_OUT))
    sessions.start(company=desk.company, session_id=desk.session_id, by=SYSTEM)
    Placement.objects.update(state=State.CONNECTING)

    desk.tell(ChallengeIssued("qr", "2@one", 60), Paired(f"{OTHER}:1@s.whatsapp.net"), text("To the second number"))

    assert dict(Message.objects.values_list("body", "account__phone_number")) == {
        "To the first number": SHOP,
        "To the second number": OTHER,
    }


def test_late_messages_of_a_device_that_was_just_unlinked_stay_with_their_number(desk: Desk) -> None:
    desk.tell(Ended(Ending.LOGGED_OUT), text("Late"))

    assert Message.objects.get().account.phone_number == SHOP


def test_a_linked_session_is_wanted_until_somebody_says_otherwise(desk: Desk) -> None:
    assert (desk.placement.wanted, desk.placement.state) == (Wanted.RUNNING, State.CONNECTED)
    assert desk.placement.evidence_at is not None
