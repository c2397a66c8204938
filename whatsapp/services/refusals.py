"""What WhatsApp's refusals of a text mean: stable codes, sentences for people, and what to do about each. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext

from wharf.errors import sentence


@dataclass(frozen=True)
class Refusal:
    """`code` is told outside. `is_about_new_chats`: only people who never wrote to us cannot be written to for a while.
    `is_too_fast`: everything has to slow down."""

    code: str
    is_about_new_chats: bool = False
    is_too_fast: bool = False


NOT_ON_WHATSAPP: Final = Refusal("not_on_whatsapp")
UNKNOWN: Final = Refusal("refused")

#: Said of a message, or of a question that has to be answered before there can be one.
_NUMBER: Final = re.compile(r"(?:server returned error|info query returned status) ([0-9]{1,20})")

#: By the number that WhatsApp's server answers a message with. 463: the account may not reach out to new people for
#: some time; 475: it has used up its new chats. Both leave conversations alone that other people have begun.
_BY_NUMBER: Final[dict[str, Refusal]] = {
    "463": Refusal("new_chats_restricted", is_about_new_chats=True),
    "475": Refusal("new_chats_used_up", is_about_new_chats=True),
    "429": Refusal("rate_limited", is_too_fast=True),
}


def refusal_of(detail: str) -> Refusal:
    """From the engine's words; a number without a name of its own becomes `whatsapp_<number>`."""
    if "no LID found" in detail:
        return NOT_ON_WHATSAPP
    found = _NUMBER.search(detail)
    if found is None:
        return UNKNOWN
    return _BY_NUMBER.get(found[1]) or Refusal(f"whatsapp_{found[1]}")


#: Why a text failed or is not confirmed, by its code.
_SENTENCES: Final[dict[str, str]] = {
    "not_on_whatsapp": sentence("This number is not on WhatsApp."),
    "no_answer": sentence("WhatsApp did not confirm it. It may have arrived, so it is not sent again by itself."),
    "expired": sentence("It could not be sent in time."),
    "new_chats_restricted": sentence(
        "WhatsApp does not let this number write to new people for a while. Those who wrote to it can be answered."
    ),
    "new_chats_used_up": sentence(
        "This number has written to as many new people as WhatsApp allows for now. "
        "Those who wrote to it can be answered."
    ),
    "rate_limited": sentence("WhatsApp refused the message because too many were sent in a short time."),
}


def problem_text(code: str) -> str:
    """Why, in the reader's language; empty without a code."""
    if not code:
        return ""
    if known := _SENTENCES.get(code):
        return gettext(known)
    prefix, _, number = code.partition("_")
    if prefix == "whatsapp" and number:
        return gettext("WhatsApp refused the message (error %(code)s).") % {"code": number}
    return gettext("WhatsApp refused the message.")
