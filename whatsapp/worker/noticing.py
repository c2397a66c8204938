"""What the worker's own picture of a session takes from its engine's words: who is connected, and what to wait for."""

import time
from collections.abc import Iterable

from whatsapp.engine import port
from whatsapp.worker import patience
from whatsapp.worker.owned import Owned


def notice(owned: Owned, events: Iterable[port.EngineEvent]) -> bool:
    """Whether one of them is a sign that its connection lives."""
    owned.hears()
    lives = False
    for event in events:
        if not isinstance(event, port.Alive | port.ProfileSeen):
            owned.is_busy()
        _notice_connection(owned, event)
        _notice_work(owned, event)
        lives = lives or (isinstance(event, port.Alive) and event.ok and owned.is_connected)
    return lives


def may_let_texts_go(events: Iterable[port.EngineEvent]) -> bool:
    """Whoever writes to us may be answered, and after a send WhatsApp may take texts to new people again."""
    for event in events:
        match event:
            case port.SendFinished(outcome=port.SendOutcome.NOT_SENT):
                continue
            case port.MessageReceived() | port.SendFinished():
                return True
    return False


def _notice_connection(owned: Owned, event: port.EngineEvent) -> None:
    match event:
        case port.Connected():
            owned.is_connected = owned.has_more = True
            owned.is_doubtful = False
            owned.wait_at_most(None)
        case port.ConnectionLost() | port.Ended():
            owned.is_connected = owned.is_doubtful = False
            owned.wait_at_most(None)
        case port.Doubtful() if owned.is_connected and not owned.is_doubtful:
            owned.is_doubtful = True
            owned.wait_at_most(patience.DOUBT_SECONDS)
        case port.Alive(ok=True) if owned.is_doubtful:
            owned.is_doubtful, owned.has_more = False, True
            owned.wait_at_most(None)
        case port.Alive(ok=False):
            owned.was_asked_to_leave = False


def _notice_work(owned: Owned, event: port.EngineEvent) -> None:
    if isinstance(event, port.SendFinished | port.ReactionFinished):
        owned.answered_at = time.monotonic()
    match event:
        case port.ChallengeIssued(kind="qr", seconds=seconds):
            owned.wait_at_most(seconds + patience.CODE_SLACK_SECONDS)
        case port.Paired():
            owned.wait_at_most(patience.FINISH_SECONDS)
        case port.SendFinished(outcome=port.SendOutcome.NOT_SENT):
            owned.came_back = True
        case port.ReactionFinished(outcome=port.SendOutcome.NOT_SENT | port.SendOutcome.UNCONFIRMED):
            owned.came_back = True
