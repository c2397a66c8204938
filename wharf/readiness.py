"""What a long-running process does once, before its first work: load what is loaded late, and settle memory."""

import gc
import sys
from typing import Final

from django.conf import settings
from django.urls import get_resolver
from django.utils import translation

#: New objects between two looks for cycles; Python's 700 looks several times a message.
YOUNG_OBJECTS: Final = 10_000
#: How long a busy thread may keep the others waiting, in seconds. Storing a message gives the interpreter away at every
#: query, and with Python's 5 ms gets it back as much later each time.
SWITCH_SECONDS: Final = 0.0005


def get_ready() -> None:
    """Else whoever asks first waits for it: addresses, catalogues, and every now and then a look for cycles through
    all that was ever imported, which takes a tenth of a second on two small cores."""
    for code, _ in settings.LANGUAGES:
        with translation.override(code):
            translation.gettext("Not found")
    _ = get_resolver().url_patterns
    sys.setswitchinterval(SWITCH_SECONDS)
    settle_memory()


def settle_memory() -> None:
    """What lives now will live until the end, so the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
