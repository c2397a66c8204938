"""What an import did, and what it could not take: counted by cause, with the first few ids."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: So many ids of each cause are told.
EXAMPLES: Final = 5


class Cause(StrEnum):
    """Why a row was left out, or what is different about it here."""

    NO_ID = "no_id"
    COMPANY_ID = "company_id"
    NO_COMPANY = "no_company"
    ONLY_REGISTERED = "only_registered"
    ADDRESS_TAKEN = "address_taken"
    EMAIL = "email"
    NOT_VERIFIED = "not_verified"
    NO_HASH = "no_hash"
    ROLE = "role"
    INACTIVE = "inactive"
    NEVER_LINKED = "never_linked"
    NO_NUMBER = "no_number"
    BROADCAST = "broadcast"
    JID = "jid"
    NO_SESSION = "no_session"
    NO_CHAT = "no_chat"
    NO_MANAGER = "no_manager"
    ADMIN = "admin"
    NO_TIME = "no_time"
    REFUSED = "refused"

    NO_ADMIN = "no_admin"
    NAME = "name"
    SLUG = "slug"
    SETTING = "setting"
    PASSWORD = "password"  # noqa: S105 - a cause
    OWN_PASSWORD = "own_password"  # noqa: S105
    NOT_OPEN = "not_open"
    ARCHIVED = "archived"
    TEXT = "text"
    WA_ID = "wa_id"


LEFT_OUT: Final[dict[Cause, str]] = {
    Cause.NO_ID: "has no id",
    Cause.COMPANY_ID: "its id cannot be kept: small Latin letters and digits, at most 32",
    Cause.NO_COMPANY: "belongs to no company that is here",
    Cause.ONLY_REGISTERED: "was only registered: made once its admin proves the address here",
    Cause.ADDRESS_TAKEN: "somebody has an account with this address, and this one was never proven",
    Cause.EMAIL: "the e-mail is no address",
    Cause.NOT_VERIFIED: "never proved the address, in a company that is in use",
    Cause.NO_HASH: "the password is no bcrypt hash",
    Cause.ROLE: "the role is unknown",
    Cause.INACTIVE: "is inactive there and has an account here",
    Cause.NEVER_LINKED: "was never linked and is not active",
    Cause.NO_NUMBER: "the session's number is none",
    Cause.BROADCAST: "is a status, list or channel, not a conversation",
    Cause.JID: "its address is none of WhatsApp's",
    Cause.NO_SESSION: "its session is not here",
    Cause.NO_CHAT: "its chat is not here",
    Cause.NO_MANAGER: "its manager is not in the company",
    Cause.ADMIN: "is for an admin, who needs none",
    Cause.NO_TIME: "has no time",
    Cause.REFUSED: "the database refused it",
}
DIFFERENT: Final[dict[Cause, str]] = {
    Cause.NO_ADMIN: "has nobody who can log in as admin: make one with create_member",
    Cause.NAME: "the name was shortened or made up",
    Cause.SLUG: "the short name is taken or empty, so it has another",
    Cause.SETTING: "a setting or limit has no such value here, so it has the default",
    Cause.PASSWORD: "the password is no bcrypt hash: to be reset by mail",
    Cause.OWN_PASSWORD: "had an account: logs in with that one's password, and keeps its id",
    Cause.NOT_OPEN: "had an account that another company made: gets in after resetting the password by mail",
    Cause.ARCHIVED: "its number is on show in another session, so it is archived",
    Cause.TEXT: "the text was cut off",
    Cause.WA_ID: "WhatsApp's id of it cannot be told",
}


@dataclass
class Tally:
    """Rows of one kind: new here, here since an earlier run, left out."""

    new: int = 0
    known: int = 0
    left_out: int = 0


@dataclass
class Report:
    is_dry_run: bool = False
    tallies: dict[str, Tally] = field(default_factory=dict)
    causes: Counter[tuple[Cause, str]] = field(default_factory=Counter)
    examples: dict[tuple[Cause, str], list[str]] = field(default_factory=dict)

    def of(self, what: str) -> Tally:
        return self.tallies.setdefault(what, Tally())

    def new(self, *kinds: str) -> int:
        """How many of these have come so far."""
        return sum(self.tallies[what].new for what in kinds if what in self.tallies)

    def leave_out(self, what: str, cause: Cause, row_id: str | None) -> None:
        self.of(what).left_out += 1
        self.note(what, cause, row_id)

    def note(self, what: str, cause: Cause, row_id: str | None) -> None:
        self.causes[cause, what] += 1
        examples = self.examples.setdefault((cause, what), [])
        if row_id and len(examples) < EXAMPLES:
            examples.append(row_id)

    def facts(self) -> dict[str, object]:
        """For scripts."""
        return {
            "dryRun": self.is_dry_run,
            "rows": {what: vars(tally) for what, tally in self.tallies.items()},
            "leftOut": self._facts(LEFT_OUT),
            "different": self._facts(DIFFERENT),
        }

    def _facts(self, causes: dict[Cause, str]) -> list[dict[str, object]]:
        found = [key for key in self.causes if key[0] in causes]
        return [
            {"what": what, "cause": cause, "count": self.causes[cause, what], "ids": self.examples[cause, what]}
            for cause, what in found
        ]

    def sentences(self) -> list[str]:
        """For people."""
        began = "Nothing was written; a real run would leave:" if self.is_dry_run else "Done:"
        lines = [f"{began} {self._counts()}."]
        for heading, causes in (("Left out:", LEFT_OUT), ("Taken, with a difference:", DIFFERENT)):
            found = [self._line(key, causes[key[0]]) for key in self.causes if key[0] in causes]
            lines += [heading, *found] if found else []
        return lines

    def _counts(self) -> str:
        parts = (
            f"{what} {tally.new} new, {tally.known} here already, {tally.left_out} left out"
            for what, tally in self.tallies.items()
        )
        return "; ".join(parts) or "the source is empty"

    def _line(self, key: tuple[Cause, str], words: str) -> str:
        examples = ", ".join(self.examples[key])
        return f"  {self.causes[key]} of {key[1]}: {words} ({examples or 'no id'})"
