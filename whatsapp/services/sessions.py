"""What people do with sessions: create, start, ask for a code, pause, unlink, archive, rename.

Each only writes down what is wanted; the worker that owns the session makes it so (`whatsapp.worker`).
"""

from typing import Final

from django.utils import timezone

from accounts.permissions import Actor, Permission
from audit import recording as audit
from audit.verbs import Verb
from fleet import leases
from fleet.models import Network, Placement
from fleet.states import State, Wanted
from tenants.models import Company
from wharf.ids import new_id
from whatsapp import phones, shapes
from whatsapp.errors import (
    AlreadyLinked,
    CleanupDenied,
    ControlDenied,
    CreationDenied,
    DisconnectingDenied,
    NameTooLong,
    SandboxNotAllowed,
    SessionLimitReached,
    SessionStillLinked,
    UnknownNetwork,
)
from whatsapp.models import Session
from whatsapp.services import news, transitions
from whatsapp.services.access import find_session
from whatsapp.services.code_limits import count_request

MAX_NAME: Final = 80


@news.writing
def create(
    *, company: Company, by: Actor, name: str = "", network: str = Network.WHATSAPP, start: bool = True
) -> Session:
    """A session that is wanted at once, so that its QR code is there when somebody looks.

    Said twice, it is made once: a session with that name that was never linked is taken up again (seed rows 19, 21
    and A22). Raises CreationDenied, SandboxNotAllowed, SessionLimitReached, NameTooLong, UnknownNetwork.
    """
    if Permission.SESSION_CREATE not in by.permissions:
        raise CreationDenied
    name = _checked_name(name)
    plan = _plan(company, network)
    session = _pending(name, network) or _make(plan, by=by, name=name, network=network)
    if start:
        _want(session, Wanted.RUNNING, by=by)
    _tell_created(company, session)
    return session


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > MAX_NAME:
        raise NameTooLong(limit=MAX_NAME)
    return name


def _plan(company: Company, network: str) -> Company:
    """The company as it is now, locked: two creations at once are counted one after the other."""
    if network not in Network.values:
        raise UnknownNetwork(networks=", ".join(Network.values))
    # No key: rows that name the company are written meanwhile, by whom the event counters wait for.
    plan: Company = Company.objects.select_for_update(no_key=True).get(pk=company.pk)
    if network == Network.SANDBOX and not plan.sandbox_allowed:
        raise SandboxNotAllowed
    return plan


def _pending(name: str, network: str) -> Session | None:
    rows = Session.objects.live().with_placement()
    row: Session | None = rows.filter(account=None, name=name, network=network, placement__device_jid="").first()
    return row


def count_live() -> int:
    """How many count for the company's plan."""
    return Session.objects.live().count()


def _make(plan: Company, *, by: Actor, name: str, network: str) -> Session:
    if count_live() >= plan.max_sessions:
        raise SessionLimitReached
    session_id = new_id()
    placement = Placement.objects.create(session_id=session_id, company=plan, network=network)
    session: Session = Session.objects.create(
        id=session_id, placement=placement, name=name, network=network, created_by_id=by.user_id
    )
    audit.record(Verb.SESSION_CREATED, audit.session(session_id, name), by=by, changes={"network": (None, network)})
    return session


def _tell_created(company: Company, session: Session) -> None:
    row = Session.objects.with_placement().get(pk=session.pk)
    account_id = row.account_id or ""
    news.tell(company, "session.created", shapes.session(row), session_id=session.pk, account_id=account_id)


@news.writing
def clean_up(*, company: Company, by: Actor) -> int:
    """Put sessions out of sight that never had a phone and that nobody is linking (seed W2, row 22); how many.

    One with a device or a history is never touched. Raises CleanupDenied.
    """
    if Permission.SESSION_CREATE not in by.permissions:
        raise CleanupDenied
    never_linked = Session.objects.live().filter(account=None, placement__device_jid="")
    # Their placements alone are locked, as everywhere; somebody may have started one of them by then.
    left = [row for row in never_linked if not _is_in_use(_locked(row))]
    for session in left:
        archive(company=company, session_id=session.pk, by=by)
    return len(left)


def _is_in_use(placement: Placement) -> bool:
    return placement.is_linked or placement.wanted == Wanted.RUNNING


@news.writing
def start(*, company: Company, session_id: str, by: Actor) -> Session:
    """Bring it online; one that is not linked shows QR codes. Said twice, it is wanted once."""
    session = find_session(session_id, by=by, needs=Permission.SESSION_LINK)
    return _settle(company, session, Wanted.RUNNING, by)


@news.writing
def nudge(*, session_id: str) -> bool:
    """Try now what is to be tried later; whether there was anything to hasten.

    For the platform itself. It changes nothing of what people want: a session that they paused, or that needs one of
    them, is left alone, and a link or a connection that is there is not touched.
    """
    placement = Placement.objects.select_for_update().get(pk=session_id)
    if placement.wanted != Wanted.RUNNING or not placement.is_linked or placement.state == State.CONNECTED:
        return False
    placement.next_retry_at = None
    placement.save(update_fields=["next_retry_at"])
    leases.leave_work(session_id)
    return True


@news.writing
def request_code(*, company: Company, session_id: str, phone: str, by: Actor) -> Session:
    """Link by pairing code for `phone` (as people write it); the code comes as a challenge.

    Raises PhoneNumberMissing, BadPhoneNumber, AlreadyLinked, CodeRequestInProgress, TooManyCodes.
    """
    session = find_session(session_id, by=by, needs=Permission.SESSION_LINK)
    digits = phones.normalise(phone)
    if _locked(session).is_linked:
        raise AlreadyLinked
    count_request(Session.objects.select_for_update().get(pk=session.pk), digits)
    Session.objects.filter(pk=session.pk).update(
        pairing_phone=digits,
        pairing_requested_at=timezone.now(),
        pairing_code="",
        pairing_code_expires_at=None,
        pairing_error="",
    )
    _record(session, Verb.SESSION_CODE_REQUESTED, by, phone=(None, digits))
    return _settle(company, session, Wanted.RUNNING, by)


@news.writing
def cancel_link(*, company: Company, session_id: str, by: Actor) -> bool:
    """Give up a link in the making; False if there is none. A phone that has agreed a moment ago stays linked."""
    session = find_session(session_id, by=by, needs=Permission.SESSION_LINK)
    placement = _locked(session)
    if placement.is_linked or placement.wanted != Wanted.RUNNING:
        return False
    _want(session, Wanted.STOPPED, by=by, verb=Verb.SESSION_LINK_CANCELLED)
    transitions.tell(company, session.pk)
    return True


@news.writing
def pause(*, company: Company, session_id: str, by: Actor) -> Session:
    """Take it offline and keep the link; a link in the making is cancelled."""
    session = find_session(session_id, by=by, needs=Permission.SESSION_CONTROL, denied=ControlDenied)
    return _settle(company, session, Wanted.STOPPED, by)


@news.writing
def unlink(*, company: Company, session_id: str, by: Actor) -> Session:
    """Log the device out at WhatsApp and erase its keys. Chats and messages stay."""
    session = find_session(session_id, by=by, needs=Permission.SESSION_CONTROL, denied=ControlDenied)
    return _settle(company, session, Wanted.UNLINKED, by)


@news.writing
def disconnect(*, company: Company, session_id: str, by: Actor) -> Session:
    """Unlink and put out of sight in one step, as the older system's clients know it (seed W5).

    The device is logged out in the background, however long WhatsApp is out of reach; history stays.
    """
    find_session(session_id, by=by, needs=Permission.SESSION_CONTROL, denied=DisconnectingDenied)
    session = unlink(company=company, session_id=session_id, by=by)
    _put_away(session, by)
    transitions.tell(company, session.pk)
    return _fresh(session.pk)


@news.writing
def archive(*, company: Company, session_id: str, by: Actor) -> Session:
    """Put it out of sight, and out of the plan's count. Raises SessionStillLinked while a device is linked."""
    session = find_session(session_id, by=by, needs=Permission.SESSION_CONTROL, denied=ControlDenied)
    if _locked(session).is_linked:
        raise SessionStillLinked
    _put_away(session, by)
    return _settle(company, session, Wanted.STOPPED, by)


def _put_away(session: Session, by: Actor) -> None:
    Session.objects.filter(pk=session.pk).update(archived_at=timezone.now())
    _record(session, Verb.SESSION_ARCHIVED, by)


@news.writing
def change(
    *, company: Company, session_id: str, by: Actor, name: str | None = None, ignores_groups: bool | None = None
) -> Session:
    """What is None stays as it is. What has been kept of groups stays, whatever is ignored from now on."""
    session = find_session(session_id, by=by, needs=Permission.SESSION_CONTROL, denied=ControlDenied)
    changes: dict[str, object] = {}
    if name is not None:
        changes["name"] = _checked_name(name)
    if ignores_groups is not None:
        changes["ignores_groups"] = ignores_groups
    Session.objects.filter(pk=session.pk).update(**changes, updated_at=timezone.now())
    if told := audit.changed({field: getattr(session, field) for field in changes}, changes):
        _record(session, Verb.SESSION_CHANGED, by, **told)
    transitions.tell(company, session.pk)
    return _fresh(session.pk)


def _locked(session: Session) -> Placement:
    """The placement, before anything of the session is written: workers hold theirs first, and two orders deadlock."""
    row: Placement = Placement.objects.select_for_update().get(pk=session.pk)
    return row


def _settle(company: Company, session: Session, wanted: Wanted, by: Actor) -> Session:
    _want(session, wanted, by=by)
    transitions.tell(company, session.pk)
    return _fresh(session.pk)


#: A wish, as the audit says it.
_WISHES: Final = {
    Wanted.RUNNING: Verb.SESSION_STARTED,
    Wanted.STOPPED: Verb.SESSION_PAUSED,
    Wanted.UNLINKED: Verb.SESSION_UNLINKED,
}


def _want(session: Session, wanted: Wanted, *, by: Actor, verb: Verb | None = None) -> None:
    """Write the wish down and wake the owner. A wish to run also cuts a back-off short."""
    placement = Placement.objects.select_for_update().get(pk=session.pk)
    if wanted == Wanted.UNLINKED and not placement.is_linked:
        # Asked of the locked row: the phone may have unlinked it a moment ago.
        wanted = Wanted.STOPPED
    if placement.wanted != wanted:
        transitions.note_person(session.pk, wanted=wanted, by_user=by.user_id)
        _record(session, verb or _WISHES[wanted], by)
    placement.wanted = wanted
    if wanted == Wanted.RUNNING and placement.state != State.CONNECTED:
        placement.next_retry_at, placement.attempts = None, 0
    placement.save(update_fields=["wanted", "next_retry_at", "attempts"])
    leases.leave_work(session.pk)


def _record(session: Session, verb: Verb, by: Actor, **changes: tuple[object, object]) -> None:
    audit.record(verb, audit.session(session.pk, session.label), by=by, changes=changes)


def _fresh(session_id: str) -> Session:
    row: Session = Session.objects.with_placement().get(pk=session_id)
    return row
