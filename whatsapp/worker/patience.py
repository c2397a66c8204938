"""How long a worker waits for what, in seconds."""

from typing import Final

#: A host has this long to leave in good order.
GRACE_SECONDS: Final = 12.0
#: What they told last, and that their sessions are free, may take so long each to be stored.
FAREWELL_SECONDS: Final = 10.0
#: A linked session that neither connects nor fails in this time is looked at as stuck.
START_SECONDS: Final = 30.0
#: After the phone agreed, the link must be up by then (neonize may lose the news of it and say nothing).
FINISH_SECONDS: Final = 30.0
#: A connection that does not answer is given so long to do it after all, and is then made anew.
DOUBT_SECONDS: Final = 30.0
#: A host tells a sign of life every fifteen seconds; after so long without any it is doubted, but not before we have
#: looked a few times ourselves: we may be the one that was asleep.
SILENT_SECONDS: Final = 60.0
SILENT_LOOKS: Final = 5
#: After a code's expiry the next one, or the end of linking, must have come.
CODE_SLACK_SECONDS: Final = 15.0
#: Messages handed to one session's engine and not yet answered: as many in any case, as many at most, and in between
#: what it has answered in so many seconds (`worker.window`).
IN_FLIGHT: Final = 10
MOST_IN_FLIGHT: Final = 40
WINDOW_SECONDS: Final = 2.0
#: The longest that an engine can take for one text, when it answers at all: its questions before and the text have 75 s
#: each, and may be repeated. It waits without end for the answer to a text that it wrote once more after a cut, and
#: sends nothing meanwhile.
STUCK_SECONDS: Final = 300.0
#: Each may wait for 75 s (docs/engine.md) behind others, which are few where answers are slow; what has none by then
#: may have none ever.
ANSWER_SECONDS: Final = 75.0 * IN_FLIGHT + 60.0
