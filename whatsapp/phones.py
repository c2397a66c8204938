"""Phone numbers as people write them, and as WhatsApp wants them: digits with the country code."""

import re
from typing import Final

from whatsapp.errors import BadPhoneNumber, PhoneNumberMissing

_FORMATTING: Final = re.compile(r"[\s().\-\u00a0\u2011\u2013]")


def normalise(text: str) -> str:
    """Digits of `text`, 10 to 15 of them.

    Without a plus, Russian habits are understood as in the older systems (seed row 33): 8XXXXXXXXXX and XXXXXXXXXX
    become 7XXXXXXXXXX. Raises PhoneNumberMissing for nothing, BadPhoneNumber for anything else.
    """
    bare = _FORMATTING.sub("", text)
    if not bare:
        raise PhoneNumberMissing
    international, digits = bare.startswith("+"), bare.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise BadPhoneNumber
    if not international:
        digits = _russian(digits)
    if not 10 <= len(digits) <= 15 or digits.startswith("0"):
        raise BadPhoneNumber
    return digits


def _russian(digits: str) -> str:
    if len(digits) == 11 and digits.startswith("8"):
        return "7" + digits[1:]
    return "7" + digits if len(digits) == 10 else digits


def masked(digits: str) -> str:
    """For logs, alerts and screens that others may see: `+491*******01`. Too short to hide anything: stars alone."""
    if len(digits) < 8:
        return "*" * len(digits)
    return f"+{digits[:3]}{'*' * (len(digits) - 5)}{digits[-2:]}"


def shown(digits: str) -> str:
    return f"+{digits}" if digits else ""
