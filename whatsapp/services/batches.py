"""Messages that one person writes quickly, one after another, as one delivery (seed contract 4.2, "Batching").

Which messages belong together follows from the log alone: from who wrote them, and from when they were recorded. So
whoever takes over an endpoint forms the same batches again, with the same ids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from whatsapp.models import Event

KIND: Final = "message.batch"
#: From a batch's first message to its last, whatever somebody goes on writing.
LONGEST: Final = timedelta(seconds=600)
#: A second longer would make people wait for nothing; fewer than two messages are no batch.
MOST_QUIET_SECONDS: Final = 300
MOST_MESSAGES: Final = 50


@dataclass(frozen=True)
class Batching:
    """A batch ends when nothing came for `quiet`, and has `most` messages at most."""

    quiet: timedelta
    most: int


@dataclass(frozen=True)
class Gathered:
    """What may leave, in order: a message with those that belong to it, or another event alone.

    `held` is a batch that may still grow, for so many seconds; both are empty when there is none.
    """

    closed: list[list[Event]]
    held: list[Event]
    seconds: float = 0.0


def is_message(row: Event) -> bool:
    """A message that somebody wrote to us; what we write is never held."""
    return row.kind == "message.new" and bool(row.chat_id) and not row.data["message"]["fromMe"]


def gather(rows: Iterable[Event], rules: Batching, *, now: datetime) -> Gathered:
    """Put a chat's events together, in order; anything else that happens in the chat ends a batch.

    `now` is the database's clock, at a moment up to which `rows` are all that was recorded.
    """
    groups: list[list[Event]] = []
    for row in rows:
        if groups and _belongs(row, groups[-1], rules):
            groups[-1].append(row)
        else:
            groups.append([row])
    if not groups or not is_message(groups[-1][0]) or len(groups[-1]) >= rules.most:
        return Gathered(groups, [])
    left = (_end_of(groups[-1], rules) - now).total_seconds()
    return Gathered(groups, []) if left < 0 else Gathered(groups[:-1], groups[-1], left)


def _belongs(row: Event, group: Sequence[Event], rules: Batching) -> bool:
    are_messages = is_message(row) and is_message(group[0])
    return are_messages and len(group) < rules.most and row.recorded_at <= _end_of(group, rules)


def _end_of(group: Sequence[Event], rules: Batching) -> datetime:
    return min(group[-1].recorded_at + rules.quiet, group[0].recorded_at + LONGEST)


# -- ids -------------------------------------------------------------------------------------------------------------
def id_of(group: Sequence[Event]) -> str:
    """The first one's id, and how many there are."""
    return f"{group[0].id}-{len(group)}"


def find(batch_id: str) -> list[Event]:
    """The messages of a batch; empty where the log has forgotten one of them, or that is no batch's id."""
    first_id, _, count = batch_id.partition("-")
    if not (count.isascii() and count.isdecimal() and 1 <= int(count) <= MOST_MESSAGES):
        return []
    first = Event.objects.filter(id=first_id, kind="message.new").exclude(chat_id="").first()
    if first is None:
        return []
    theirs = Event.objects.filter(kind="message.new", chat_id=first.chat_id, data__message__fromMe=False)
    found = list(theirs.filter(position__gte=first.position).order_by("position")[: int(count)])
    return found if len(found) == int(count) else []
