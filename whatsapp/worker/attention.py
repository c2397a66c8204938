"""What a session's host was lately told of people here who type or look: the same again is told every few seconds."""

import time
from typing import Final

from fleet.hints import Hint
from whatsapp.engine.port import BePresent, SendTyping

#: Whoever types says so with every key; WhatsApp wants to hear of it less often.
AGAIN_SECONDS: Final = 3.0
#: Chats whose last word is remembered; after these all are told anew.
MAX_CHATS: Final = 200


class Attention:
    """Of one session."""

    def __init__(self) -> None:
        self._told: dict[Hint, float] = {}

    def command_for(self, hint: Hint) -> SendTyping | BePresent | None:
        """What to tell the host, if it is time to."""
        now = time.monotonic()
        if now - self._told.get(hint, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return None
        if len(self._told) >= MAX_CHATS:
            self._told.clear()
        # Who has stopped may begin again at once.
        self._told.pop(Hint(hint.session_id, hint.typing_in, not hint.is_typing), None)
        self._told[hint] = now
        return SendTyping(hint.typing_in, hint.is_typing) if hint.typing_in else BePresent()
