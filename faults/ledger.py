"""What must be true afterwards, whatever was killed: a pure function over what each side saw.

The sides know nothing of one another: the sandbox says what it saw acknowledged and what reached its phones, the
database what is stored and logged, a receiver what it was sent, a client what it was answered. All times are seconds
since the epoch, by one clock.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final

#: What neonize may have acknowledged and not handed on when its host was killed is at most so old.
WINDOW_SECONDS: Final = 5.0
#: More than this in a second is a burst; below it a killed host may cost one message (docs/engine.md). A host may die
#: when a burst is younger than a second, so its pace is that of the busiest moment of its last second.
BURST: Final = 200
MOMENT_SECONDS: Final = 0.25
QUIET_LOSS: Final = 1

#: How far a text of ours has come, in groups.
HAS_LEFT: Final = frozenset({"server_ack", "delivered", "read"})
NEVER_LEFT: Final = frozenset({"failed", "cancelled"})
NOT_ENDED: Final = frozenset({"queued", "sent"})


class Promise(StrEnum):
    ACKNOWLEDGED = "every message was acknowledged in the end"
    STORED = "what was acknowledged is stored exactly once, as it was written"
    WINDOW = f"a killed host costs at most {QUIET_LOSS} message at up to {BURST} a second"
    TOLD = "what a killed host costs is told"
    NOTHING_ELSE = "nothing is stored or sent that nobody wrote"
    LOGGED = "each stored message is logged as new exactly once"
    UNBROKEN = "the log's numbers have no gap"
    READ = "a client that resumes reads the log as it is"
    DELIVERED = "every event reached the receiver"
    IN_ORDER = "each session's events reached it in order"
    SIGNED = "every request to it is signed"
    SAME_ID = "what reached it twice has the same id"
    ANSWERED = "every request to send was answered"
    SENT_ONCE = "each text is sent once"
    SENT_TRUE = "each send ended in a true state"


# -- what was seen ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Spoken:
    """A text that somebody wrote to a number of ours."""

    wa_id: str
    session_id: str
    text: str
    at: float


@dataclass(frozen=True)
class Handed:
    """A message was sent to the linked device; `waited`: at once with all that had come while it was away."""

    at: float
    waited: bool = False


@dataclass(frozen=True)
class Acknowledged:
    """A linked device told the sandbox that it needs this message no more; `handed` are the times it was given it."""

    wa_id: str
    session_id: str
    at: float
    handed: Sequence[Handed]

    def handed_before(self, at: float) -> Handed | None:
        """The last time before `at`."""
        return max((each for each in self.handed if each.at <= at), key=lambda each: each.at, default=None)


@dataclass(frozen=True)
class Asked:
    """A text that a client asked us to send; `message_id` is what it was answered, empty when it never was."""

    text: str
    session_id: str
    message_id: str


@dataclass(frozen=True)
class Row:
    """A stored message."""

    company: str
    id: str
    session_id: str
    wa_id: str
    from_me: bool
    text: str
    status: str


@dataclass(frozen=True)
class Logged:
    """An event of the log; `message_id` of those that are about a message."""

    company: str
    position: int
    seq: int | None
    id: str
    kind: str
    session_id: str
    message_id: str = ""


@dataclass(frozen=True)
class Came:
    """A request that the receiver took, in the order in which it did; `company` is whose address it came to."""

    company: str
    position: int
    seq: int | None
    id: str
    session_id: str


@dataclass(frozen=True)
class Kill:
    """Something that was done to the product; of a host, `sessions` are those that it held."""

    kind: str
    at: float
    sessions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Evidence:
    #: Whose session each is.
    companies: Mapping[str, str]
    spoken: Sequence[Spoken] = ()
    acknowledged: Sequence[Acknowledged] = ()
    asked: Sequence[Asked] = ()
    rows: Sequence[Row] = ()
    log: Sequence[Logged] = ()
    came: Sequence[Came] = ()
    #: Requests to the receiver that were not signed as they should be.
    unsigned: Sequence[str] = ()
    #: (company, position, id), as a client read them page by page.
    read: Sequence[tuple[str, int, str]] = ()
    #: Where each company's receiver and reader began to listen.
    heard_from: Mapping[str, int] = field(default_factory=dict)
    read_from: Mapping[str, int] = field(default_factory=dict)
    #: How often each text is on a customer's phone, and which texts our own phones show as written.
    arrived: Mapping[str, int] = field(default_factory=dict)
    left: Collection[str] = ()
    kills: Sequence[Kill] = ()


# -- what follows ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Loss:
    """A message that a killed host took with it; one that had `waited` for it came as fast as it could be read."""

    wa_id: str
    is_told: bool
    waited: bool


@dataclass
class HostKill:
    """`load`: what it had been handed and had not acknowledged a second before. `pace`: how many messages a second came
    to it when most did."""

    kill: Kill
    load: int
    pace: float
    losses: list[Loss] = field(default_factory=list)

    @property
    def is_in_burst(self) -> bool:
        return max(self.load, self.pace) > BURST

    @property
    def at_pace(self) -> Sequence[Loss]:
        """Losses among what came when it was written."""
        return [loss for loss in self.losses if not loss.waited]


@dataclass(frozen=True)
class Verdict:
    broken: Mapping[Promise, Sequence[str]]
    host_kills: Sequence[HostKill]
    repeats: int
    sends: Mapping[str, int]

    @property
    def is_kept(self) -> bool:
        return not any(self.broken.values())


def judge(seen: Evidence) -> Verdict:
    host_kills = _host_kills(seen)
    checks: dict[Promise, Iterator[str]] = {
        Promise.ACKNOWLEDGED: _not_acknowledged(seen),
        # Finds the losses that the next two judge.
        Promise.STORED: _not_stored(seen, host_kills),
        Promise.WINDOW: _too_wide(host_kills),
        Promise.TOLD: _untold(host_kills),
        Promise.NOTHING_ELSE: _unasked(seen),
        Promise.LOGGED: _not_logged(seen),
        Promise.UNBROKEN: _gaps(seen.log),
        Promise.READ: _misread(seen),
        Promise.DELIVERED: _undelivered(seen),
        Promise.IN_ORDER: _out_of_order(seen.came),
        Promise.SIGNED: iter(seen.unsigned),
        Promise.SAME_ID: _other_ids(seen),
        Promise.ANSWERED: (f"{one.text!r} was never answered" for one in seen.asked if not one.message_id),
        Promise.SENT_ONCE: _not_once(seen),
        Promise.SENT_TRUE: _untrue(seen),
    }
    broken = {promise: list(found) for promise, found in checks.items()}
    repeats = len(seen.came) - len({(one.company, one.position) for one in seen.came})
    return Verdict(broken, host_kills, repeats, Counter(row.status for row in seen.rows if row.from_me))


# -- messages in -----------------------------------------------------------------------------------------------------
def _answers(seen: Evidence) -> dict[tuple[str, str], list[Acknowledged]]:
    answers = defaultdict(list)
    for one in seen.acknowledged:
        answers[one.session_id, one.wa_id].append(one)
    return answers


def _not_acknowledged(seen: Evidence) -> Iterator[str]:
    answers = _answers(seen)
    for one in seen.spoken:
        if not answers.get((one.session_id, one.wa_id)):
            yield f"{one.text!r} to session {one.session_id}"


def _not_stored(seen: Evidence, host_kills: Sequence[HostKill]) -> Iterator[str]:
    stored, told, answers = _stored(seen.rows), _told(seen.log), _answers(seen)
    for one in seen.spoken:
        acknowledged = answers.get((one.session_id, one.wa_id), [])
        rows = stored.get((one.session_id, one.wa_id), [])
        if not acknowledged and not rows:
            continue
        if len(rows) > 1:
            yield f"{one.text!r} is stored {len(rows)} times"
        elif not rows or rows[0].status != "received":
            is_told = bool(rows) and rows[0].id in told
            if not _put_to_account(acknowledged, host_kills, is_told=is_told):
                yield f"{one.text!r} to session {one.session_id} is {rows[0].status if rows else 'lost'}"
        elif rows[0].text != one.text:
            yield f"{one.text!r} is stored as {rows[0].text!r}"


def _stored(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    stored = defaultdict(list)
    for row in rows:
        if not row.from_me:
            stored[row.session_id, row.wa_id].append(row)
    return stored


def _told(log: Iterable[Logged]) -> set[str]:
    return {one.message_id for one in log if one.message_id}


def _put_to_account(acknowledged: Iterable[Acknowledged], host_kills: Iterable[HostKill], *, is_told: bool) -> bool:
    """Of the killed host that had the message in hand, if there is one."""
    for each in host_kills:
        for one in acknowledged:
            if (handed := _in_hand(one, each.kill, WINDOW_SECONDS)) is not None:
                each.losses.append(Loss(one.wa_id, is_told, handed.waited))
                return True
    return False


def _in_hand(one: Acknowledged, kill: Kill, seconds: float) -> Handed | None:
    """When the host was given a message that it had not acknowledged `seconds` before it was killed."""
    if one.session_id not in kill.sessions or one.at < kill.at - seconds:
        return None
    return one.handed_before(kill.at)


def _host_kills(seen: Evidence) -> list[HostKill]:
    kills = [kill for kill in seen.kills if kill.kind == "host"]
    return [HostKill(kill, _load(kill, seen.acknowledged), _pace(kill, seen.acknowledged)) for kill in kills]


def _load(kill: Kill, acknowledged: Iterable[Acknowledged]) -> int:
    return len({(one.session_id, one.wa_id) for one in acknowledged if _in_hand(one, kill, 1.0) is not None})


def _pace(kill: Kill, acknowledged: Iterable[Acknowledged]) -> float:
    came = sorted(
        handed.at
        for one in acknowledged
        if one.session_id in kill.sessions
        for handed in one.handed
        if kill.at - 1.0 <= handed.at <= kill.at
    )
    most = max((bisect_right(came, at + MOMENT_SECONDS) - place for place, at in enumerate(came)), default=0)
    return most / MOMENT_SECONDS


def _too_wide(host_kills: Iterable[HostKill]) -> Iterator[str]:
    for each in host_kills:
        if not each.is_in_burst and len(each.at_pace) > QUIET_LOSS:
            yield f"{len(each.at_pace)} lost with a host that had {each.load} in hand"


def _untold(host_kills: Iterable[HostKill]) -> Iterator[str]:
    for each in host_kills:
        yield from (f"{loss.wa_id} went with a host, and nobody was told" for loss in each.losses if not loss.is_told)


def _unasked(seen: Evidence) -> Iterator[str]:
    written = {(one.session_id, one.wa_id) for one in seen.spoken}
    asked = {(one.session_id, one.text) for one in seen.asked}
    for row in seen.rows:
        is_known = (row.session_id, row.text) in asked if row.from_me else (row.session_id, row.wa_id) in written
        if not is_known:
            yield f"{row.company} has {row.text!r}, which nobody wrote"
        elif row.company != seen.companies[row.session_id]:
            yield f"{row.company} has {row.text!r}, which is another company's"
    texts = {one.text for one in seen.asked}
    yield from (f"{text!r} reached a phone, and nobody had asked for it" for text in seen.arrived if text not in texts)


# -- the log ---------------------------------------------------------------------------------------------------------
def _not_logged(seen: Evidence) -> Iterator[str]:
    new = Counter(one.message_id for one in seen.log if one.kind == "message.new")
    for row in seen.rows:
        if row.status in ("received", *HAS_LEFT) and new[row.id] != 1:
            yield f"message {row.id} was logged as new {new[row.id]} times"


def _gaps(log: Iterable[Logged]) -> Iterator[str]:
    numbers = defaultdict(list)
    for one in log:
        numbers[one.company].append(one.position)
        if one.seq is not None:
            numbers[f"session {one.session_id}"].append(one.seq)
    for whose, found in numbers.items():
        found.sort()
        for before, after in pairwise([0, *found]):
            if after != before + 1:
                yield f"{whose}: {after} follows {before}"


def _misread(seen: Evidence) -> Iterator[str]:
    for company, start in seen.read_from.items():
        logged = [(one.position, one.id) for one in _of(company, seen.log) if one.position > start]
        read = [(position, event_id) for whose, position, event_id in seen.read if whose == company]
        if read != sorted(logged):
            missing, repeated = len(set(logged) - set(read)), len(read) - len(set(read))
            yield f"{company}: {missing} missing, {repeated} repeated, {len(set(read) - set(logged))} unknown"


def _of(company: str, log: Iterable[Logged]) -> Iterator[Logged]:
    return (one for one in log if one.company == company)


# -- webhooks --------------------------------------------------------------------------------------------------------
def _undelivered(seen: Evidence) -> Iterator[str]:
    came = {(one.company, one.position) for one in seen.came}
    for one in seen.log:
        is_for_it = one.position > seen.heard_from.get(one.company, one.position)
        if is_for_it and (one.company, one.position) not in came:
            yield f"{one.company}: {one.kind} at {one.position}"


def _out_of_order(came: Iterable[Came]) -> Iterator[str]:
    """What comes a second time may; nothing may come the first time after a later one of its session."""
    known: set[tuple[str, int]] = set()
    last: dict[tuple[str, str], int] = {}
    for one in came:
        whose, place = (one.company, one.session_id), (one.company, one.position)
        if place not in known and one.position < last.get(whose, 0):
            yield f"{one.company}, session {one.session_id or '-'}: {one.position} after {last[whose]}"
        known.add(place)
        last[whose] = max(one.position, last.get(whose, 0))


def _other_ids(seen: Evidence) -> Iterator[str]:
    logged = {(one.company, one.position): (one.id, one.session_id, one.seq) for one in seen.log}
    for one in seen.came:
        if logged.get((one.company, one.position)) != (one.id, one.session_id, one.seq):
            yield f"{one.company}: {one.id} at {one.position} is not what was logged there"


# -- messages out ----------------------------------------------------------------------------------------------------
def _not_once(seen: Evidence) -> Iterator[str]:
    rows = Counter(row.text for row in seen.rows if row.from_me)
    ids = {row.id for row in seen.rows if row.from_me}
    for one in seen.asked:
        if rows[one.text] > 1 or (one.message_id and one.message_id not in ids):
            yield f"{one.text!r} was answered with {one.message_id or 'nothing'} and has {rows[one.text]} rows"
        if seen.arrived.get(one.text, 0) > 1:
            yield f"{one.text!r} reached the phone {seen.arrived[one.text]} times"


def _untrue(seen: Evidence) -> Iterator[str]:
    for row in seen.rows:
        is_there = seen.arrived.get(row.text, 0) > 0
        if row.from_me and not _is_true(row.status, is_there, has_left=is_there or row.text in seen.left):
            yield f"{row.text!r} is {row.status}, and {'is' if is_there else 'is not'} on the phone"


def _is_true(status: str, is_there: bool, *, has_left: bool) -> bool:
    """What is `unconfirmed` may be either."""
    if status in HAS_LEFT:
        return has_left
    return status not in NOT_ENDED and not (status in NEVER_LEFT and is_there)
