"""What the owner writes while a phone is being linked and when a link comes up: challenges, device, account."""

from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from accounts.permissions import SYSTEM
from audit import recording as audit
from audit.verbs import Verb
from fleet import invitations
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import Happening
from tenants.models import Company
from whatsapp.engine.port import ChallengeIssued, Connected
from whatsapp.models import Account, Session
from whatsapp.services import transitions


def record_challenge(company: Company, session: Session, placement: Placement, event: ChallengeIssued) -> None:
    """Show a new QR code or pairing code in the place of the one before."""
    expires_at = timezone.now() + timedelta(seconds=event.seconds)
    changes: dict[str, object]
    if event.kind == "qr":
        changes = {"qr": event.text, "qr_expires_at": expires_at, "qr_number": F("qr_number") + 1}
    else:
        changes = {"pairing_code": _grouped(event.text), "pairing_code_expires_at": expires_at, "pairing_error": ""}
    Session.objects.filter(pk=session.pk).update(**changes)
    transitions.record(placement, Happening.CHALLENGE_ISSUED, Reason.WAITING_FOR_SCAN)
    transitions.tell_challenge(company, session.pk)


def _grouped(code: str) -> str:
    """`ABCD-EFGH`, as the phone shows it."""
    bare = code.replace("-", "")
    return f"{bare[:4]}-{bare[4:]}"


def record_code_refused(company: Company, session: Session, detail: str) -> None:
    """WhatsApp gives no code; the QR codes stay on show."""
    Session.objects.filter(pk=session.pk).update(
        pairing_error=detail[:200], pairing_code="", pairing_code_expires_at=None
    )
    transitions.tell_challenge(company, session.pk)


def record_device(company: Company, session: Session, placement: Placement, device_jid: str) -> None:
    """A device is linked: from here on there is something that a pause keeps and only an unlink removes."""
    placement.device_jid = device_jid
    placement.store_id = placement.owner.store_id if placement.owner else ""
    placement.save(update_fields=["device_jid", "store_id"])
    invitations.spend(session.pk)
    phone = {"phone": (None, f"+{_number(device_jid)}")}
    audit.record(Verb.SESSION_LINKED, audit.session(session.pk, session.label), by=SYSTEM, changes=phone)
    if transitions.forget_challenge(session.pk):
        transitions.tell_challenge(company, session.pk)


def record_connected(company: Company, session: Session, placement: Placement, event: Connected) -> None:
    """Logged in: the session belongs to its number's account, the same as ever, with all its history."""
    if placement.device_jid != event.device_jid and event.device_jid:
        record_device(company, session, placement, event.device_jid)
    attach_account(session, event.device_jid or placement.device_jid, lid=event.lid, push_name=event.push_name)
    transitions.record(placement, Happening.CONNECTED)


def attach_account(session: Session, device_jid: str, *, lid: str = "", push_name: str = "") -> None:
    """Give the session the account of the device's number, made when it is new."""
    phone = _number(device_jid)
    if not phone or (session.account and session.account.phone_number == phone and not (lid or push_name)):
        return
    account, _ = Account.objects.select_for_update(no_key=True).get_or_create(
        network=session.network, phone_number=phone
    )
    _complete(account, lid, push_name)
    if session.account_id != account.pk:
        Session.objects.filter(pk=session.pk).update(account=account)
    session.account = account


def is_of(account: Account, device_jid: str) -> bool:
    """Whether the device is one of the account's; without a device there is no doubt."""
    return _number(device_jid) in ("", account.phone_number)


def _number(device_jid: str) -> str:
    return device_jid.partition("@")[0].partition(":")[0]


def _complete(account: Account, lid: str, push_name: str) -> None:
    known = (account.lid, account.push_name)
    account.lid, account.push_name = lid or account.lid, push_name[:120] or account.push_name
    if known != (account.lid, account.push_name):
        account.save(update_fields=["lid", "push_name"])


def record_profile(company: Company, session: Session, push_name: str) -> None:
    """The owner of the number has a name, or a new one."""
    if session.account and session.account.push_name != push_name:
        _complete(session.account, "", push_name)
        transitions.tell(company, session.pk)
