"""The safe monitor: sees trouble in the owners' own rows, reconnects once and gently, and tells people once.

It deletes nothing, stops nothing and links nothing. What it remembers stands in `Trouble` rows, so that a monitor that
is started again repeats nothing. A trouble is one when several looks in a row have seen it, and over when several have
not: a connection that comes and goes is one trouble and not many (seed rows 114 and 115).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from fleet.models import Trouble
from fleet.reasons import SENTENCES, Reason
from tenants.context import run_in
from tenants.models import Company
from wharf.alerts import Alert, Tone
from wharf.errors import sentence
from whatsapp.services import health, sessions
from whatsapp.services.findings import Finding, Grade, SessionLook
from whatsapp.services.health import Health

#: So many looks in a row make it sure, and so many without it make it over.
SURE_AFTER: Final = 3
OVER_AFTER: Final = 2
#: Looks that a reconnect is given before advice is sent.
PATIENCE: Final = 2
COOL_DOWN: Final = timedelta(minutes=5)
WARN_EVERY: Final = timedelta(hours=1)
#: When so many numbers of a network are all offline, it is the network.
CROWD: Final = 3
#: An alert that lists more is read by nobody, and refused by some services.
MOST_IN_ONE: Final = 15

Send = Callable[[Alert], bool]


@dataclass(frozen=True)
class Problem:
    """What one look saw. `about` says where, without numbers; with `session` a reconnect may help."""

    subject: str
    cause: str
    about: str
    said: str
    advice: str
    grade: Grade
    number: str = ""
    session: tuple[Company, str] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.subject, self.cause


def look(send: Send, *, now: datetime | None = None) -> list[Alert]:
    """One round; returns what was to be told. Raises database errors: then nothing was seen, and nothing counted.

    What `send` could not bring anywhere is told again with the next look.
    """
    now = now or timezone.now()
    seen = health.look()
    problems = {problem.key: problem for problem in problems_in(seen)}
    troubles = note(problems, now)
    for trouble in troubles:
        _reconnect(trouble, problems.get((trouble.subject, trouble.cause)), now)
    return _tell([line for row in troubles if (line := _line(row, problems, seen, now))], send, now)


# -- what is seen ------------------------------------------------------------------------------------------------------
def problems_in(seen: Health) -> Iterator[Problem]:
    """One for each cause: sessions that suffer from a common one are not told one by one."""
    for finding in seen.findings:
        subject = f"worker:{finding.params['name']}" if "name" in finding.params else "fleet"
        yield Problem(subject, finding.cause, finding.said, "", finding.advised, finding.grade)
    crowds = dict(_crowds(seen.sessions))
    for network, count in crowds.items():
        yield _of_network(network, count)
    for one in seen.sessions:
        for finding in one.findings:
            if not _has_common_cause(one, finding, seen, crowds):
                yield _of_session(one, finding)


def _of_session(one: SessionLook, finding: Finding) -> Problem:
    reason = gettext(SENTENCES[Reason(one.placement.shown_reason)]) if finding.grade == Grade.TROUBLE else ""
    # A name is people's own text, and often a phone number.
    about = f"{one.company.name} · {one.session_id}"
    can_reconnect = (one.company, one.session_id) if finding.cause == "offline" else None
    said = " ".join(filter(None, [f"{finding.said}.", reason]))
    return Problem(
        f"session:{one.session_id}",
        _class_of(finding),
        about,
        said,
        finding.advised,
        finding.grade,
        one.number,
        can_reconnect,
    )


def _class_of(finding: Finding) -> str:
    """A connection that is gone is one trouble, however what is known of it changes."""
    return "offline" if finding.cause in ("offline", "no_sign_of_life") else finding.cause


def _crowds(looks: Iterable[SessionLook]) -> Iterator[tuple[str, int]]:
    """Networks of which every wanted number is offline although its worker lives."""
    by_network: dict[str, list[SessionLook]] = defaultdict(list)
    for one in looks:
        if one.is_wanted_online and one.is_owned:
            by_network[one.placement.network].append(one)
    for network, members in by_network.items():
        if len(members) >= CROWD and not any(one.is_online for one in members):
            yield network, len(members)


def _of_network(network: str, count: int) -> Problem:
    said = gettext("All %(count)s numbers are offline at once: the network, or WhatsApp itself.") % {"count": count}
    advice = gettext("They are tried again by themselves; look at this machine's way to the internet.")
    return Problem(f"network:{network}", "network", said, "", advice, Grade.TROUBLE)


def _has_common_cause(one: SessionLook, finding: Finding, seen: Health, crowds: dict[str, int]) -> bool:
    if finding.cause not in ("offline", "no_sign_of_life"):
        return False
    return one.placement.network in crowds if one.is_owned else _owner_is_told(one, seen)


def _owner_is_told(one: SessionLook, seen: Health) -> bool:
    silent = {finding.params.get("name") for finding in seen.findings if finding.cause == "worker_silent"}
    nobody = any(finding.cause == "no_worker" for finding in seen.findings)
    return nobody or (one.placement.owner is not None and one.placement.owner.name in silent)


# -- what is remembered ------------------------------------------------------------------------------------------------
@transaction.atomic
def note(problems: dict[tuple[str, str], Problem], now: datetime) -> list[Trouble]:
    """Count this look into the open troubles; returns those that have something left to do or to tell."""
    rows = {(row.subject, row.cause): row for row in Trouble.objects.select_for_update().filter(ended_at=None)}
    for key, problem in problems.items():
        row = rows.setdefault(key, Trouble(subject=problem.subject, cause=problem.cause, began_at=now))
        row.about, row.is_warning = problem.about[:300], problem.grade == Grade.WARNING
        row.seen, row.missed = row.seen + 1, 0
        row.save()
    for key in rows.keys() - problems.keys():
        _note_absence(rows[key], now)
    untold = Trouble.objects.filter(end_told_at=None, ended_at__isnull=False, told_at__isnull=False, is_warning=False)
    return [row for row in rows.values() if row.ended_at is None and row.seen >= SURE_AFTER] + list(untold)


def _note_absence(row: Trouble, now: datetime) -> None:
    row.missed += 1
    if row.seen < SURE_AFTER:
        # It never was one, and whoever still has the row must not take it for one.
        row.delete()
        row.ended_at = now
    elif row.missed >= OVER_AFTER:
        row.ended_at = now
        row.save(update_fields=["missed", "ended_at"])
    else:
        row.save(update_fields=["missed"])


# -- what is done ------------------------------------------------------------------------------------------------------
def _reconnect(trouble: Trouble, problem: Problem | None, now: datetime) -> None:
    """The one gentle reconnect of an outage. Written down first: rather none than two."""
    if problem is None or problem.session is None or trouble.nudged_at is not None:
        return
    trouble.nudged_at = now
    trouble.save(update_fields=["nudged_at"])
    company, session_id = problem.session
    run_in(company, sessions.nudge, session_id=session_id)


# -- what is told ------------------------------------------------------------------------------------------------------
class Telling(Enum):
    """What there is to say; many of one kind make one alert."""

    DISCONNECTED = auto()
    STILL_DISCONNECTED = auto()
    BACK = auto()
    BROKEN = auto()
    MENDED = auto()
    WARNING = auto()


_TITLES: Final = {
    Telling.DISCONNECTED: (Tone.FAILURE, "⚠️", sentence("WhatsApp is disconnected!")),
    Telling.STILL_DISCONNECTED: (Tone.FAILURE, "🚨", sentence("WhatsApp is still disconnected")),
    Telling.BACK: (Tone.SUCCESS, "✅", sentence("WhatsApp is back")),
    Telling.BROKEN: (Tone.FAILURE, "⚠️", sentence("Wharf does not work as it should")),
    Telling.MENDED: (Tone.SUCCESS, "✅", sentence("Wharf works again")),
    Telling.WARNING: (Tone.WARNING, "⚠️", sentence("A warning from Wharf")),
}


@dataclass(frozen=True)
class Line:
    """One trouble's part of an alert; `mark` is what says in its row that it was told."""

    telling: Telling
    text: str
    trouble: Trouble
    mark: str


def _line(trouble: Trouble, problems: dict[tuple[str, str], Problem], seen: Health, now: datetime) -> Line | None:
    if trouble.ended_at is not None:
        return _end(trouble, seen, now)
    problem = problems.get((trouble.subject, trouble.cause))
    if problem is None:
        return None
    if trouble.is_warning:
        is_due = trouble.told_at is None or now - trouble.told_at >= WARN_EVERY
        return Line(Telling.WARNING, _text(problem, problem.advice), trouble, "told_at") if is_due else None
    return _beginning(trouble, problem, now)


def _beginning(trouble: Trouble, problem: Problem, now: datetime) -> Line | None:
    is_number = _is_of_numbers(trouble)
    if trouble.told_at is None:
        if _is_cooling_down(trouble, now):
            return None
        then = gettext("It is being connected again now.") if trouble.nudged_at else problem.advice
        telling = Telling.DISCONNECTED if is_number else Telling.BROKEN
        return Line(telling, _text(problem, then), trouble, "told_at")
    if trouble.nudged_at and trouble.advised_at is None and trouble.seen >= SURE_AFTER + PATIENCE:
        # Never inside an f-string: what collects texts sees them there only from Python 3.12 on.
        steps = gettext("The steps are in docs/reconnection.md.")
        advice = f"{problem.advice}\n{steps}"
        return Line(Telling.STILL_DISCONNECTED, _text(problem, advice), trouble, "advised_at")
    return None


def _end(trouble: Trouble, seen: Health, now: datetime) -> Line | None:
    """What ended because people paused it, or because it turned into something else, is not called mended."""
    is_number = _is_of_numbers(trouble)
    if trouble.subject.startswith("session:") and not _is_online(trouble.subject.partition(":")[2], seen):
        trouble.end_told_at = now
        trouble.save(update_fields=["end_told_at"])
        return None
    minutes = max(1, round(((trouble.ended_at or now) - trouble.began_at) / timedelta(minutes=1)))
    lasted = gettext("It lasted about %(minutes)s min.") % {"minutes": minutes}
    return Line(Telling.BACK if is_number else Telling.MENDED, f"{trouble.about}\n{lasted}", trouble, "end_told_at")


def _is_of_numbers(trouble: Trouble) -> bool:
    return trouble.subject.startswith(("session:", "network:"))


def _is_online(session_id: str, seen: Health) -> bool:
    return any(one.session_id == session_id and one.is_online for one in seen.sessions)


def _is_cooling_down(trouble: Trouble, now: datetime) -> bool:
    same = Trouble.objects.filter(subject=trouble.subject, cause=trouble.cause).exclude(pk=trouble.pk)
    return same.filter(told_at__gt=now - COOL_DOWN).exists()


def _text(problem: Problem, then: str) -> str:
    return "\n".join(filter(None, [f"{problem.about} {problem.number}".strip(), problem.said, then]))


def _tell(lines: list[Line], send: Send, now: datetime) -> list[Alert]:
    """One alert for each kind; marked as told only when it has arrived somewhere."""
    alerts = []
    for telling, (tone, sign, title) in _TITLES.items():
        if together := [line for line in lines if line.telling == telling]:
            alerts.append(Alert(tone, f"{sign} {gettext(title)}", _body(together)))
            if send(alerts[-1]):
                _mark(together, now)
    return alerts


def _body(lines: list[Line]) -> str:
    texts = [line.text for line in lines[:MOST_IN_ONE]]
    if len(lines) > MOST_IN_ONE:
        texts.append(gettext("And %(count)s more: `session_health` shows all.") % {"count": len(lines) - MOST_IN_ONE})
    return "\n\n".join(texts)


def _mark(lines: list[Line], now: datetime) -> None:
    for line in lines:
        setattr(line.trouble, line.mark, now)
        line.trouble.save(update_fields=[line.mark])


# -- when it cannot see ------------------------------------------------------------------------------------------------
class Blindness:
    """The monitor's own trouble: while the database is away it knows nothing of any number, and says just that.

    Remembered in memory alone, for there is nowhere else to write it.
    """

    def __init__(self) -> None:
        self._failed = 0
        self._is_told = False

    def cannot_see(self) -> Alert | None:
        """A look failed; an alert when it has failed often enough and nobody was told."""
        self._failed += 1
        if self._failed < SURE_AFTER or self._is_told:
            return None
        body = gettext("The monitor does not reach the database, and knows nothing of any number.")
        return Alert(Tone.FAILURE, "⚠️ " + gettext("Wharf cannot be seen"), body)

    def sees(self) -> Alert | None:
        """A look succeeded; an alert when the opposite was told."""
        self._failed = 0
        if not self._is_told:
            return None
        return Alert(Tone.SUCCESS, "✅ " + gettext("Wharf can be seen again"), gettext("The database is back."))

    def was_told(self, alert: Alert) -> None:
        self._is_told = alert.tone == Tone.FAILURE
