"""What people and programs do to a company that is kept in its audit: a closed list, with the words for each."""

from enum import StrEnum
from typing import Final

from wharf.errors import Sentence, sentence


class Verb(StrEnum):
    """`<thing>.<what was done to it>`. Once here, a value stays: rows and clients know it."""

    ACCESS_CHANGED = "access.changed"
    ACCESS_GRANTED = "access.granted"
    ACCESS_REVOKED = "access.revoked"
    AUDIT_EXPORTED = "audit.exported"
    CHAT_CHANGED = "chat.changed"
    CHAT_OPENED = "chat.opened"
    CHAT_READ = "chat.read"
    COMPANY_CREATED = "company.created"
    COMPANY_DOMAIN_REMOVED = "company.domain_removed"
    COMPANY_DOMAIN_SET = "company.domain_set"
    COMPANY_IMPORTED = "company.imported"
    COMPANY_PLAN_CHANGED = "company.plan_changed"
    COMPANY_RESUMED = "company.resumed"
    COMPANY_SUSPENDED = "company.suspended"
    INBOUND_SECRET_REMOVED = "inbound_secret.removed"  # noqa: S105  # no secret
    INBOUND_SECRET_ROTATED = "inbound_secret.rotated"  # noqa: S105  # no secret
    KEY_MADE = "key.made"
    KEY_REVOKED = "key.revoked"
    LOGIN = "login"
    MESSAGE_CANCELLED = "message.cancelled"
    MESSAGE_REACTED = "message.reacted"
    MESSAGE_SENT = "message.sent"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105  # no password
    PERSON_ACTIVATED = "person.activated"
    PERSON_ADDED = "person.added"
    PERSON_CHANGED = "person.changed"
    PERSON_DEACTIVATED = "person.deactivated"
    PERSON_REMOVED = "person.removed"
    QUEUE_PACED = "queue.paced"
    QUEUE_PAUSED = "queue.paused"
    QUEUE_RESUMED = "queue.resumed"
    SECOND_FACTOR_OFF = "second_factor.off"
    SECOND_FACTOR_ON = "second_factor.on"
    SESSION_ARCHIVED = "session.archived"
    SESSION_CHANGED = "session.changed"
    SESSION_CODE_REQUESTED = "session.code_requested"
    SESSION_CREATED = "session.created"
    SESSION_INVITATION_REVOKED = "session.invitation_revoked"
    SESSION_INVITED = "session.invited"
    SESSION_LINKED = "session.linked"
    SESSION_LINK_CANCELLED = "session.link_cancelled"
    SESSION_LOGGED_OUT = "session.logged_out"
    SESSION_PAUSED = "session.paused"
    SESSION_RESTORED = "session.restored"
    SESSION_STARTED = "session.started"
    SESSION_UNLINKED = "session.unlinked"
    SETTINGS_CHANGED = "settings.changed"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_MADE = "webhook.made"
    WEBHOOK_REMOVED = "webhook.removed"
    WEBHOOK_REPLAYED = "webhook.replayed"
    WEBHOOK_SECRET_ROTATED = "webhook.secret_rotated"  # noqa: S105  # no secret


#: As people read them, behind the name of who did it.
WORDS: Final[dict[str, Sentence]] = {
    Verb.ACCESS_CHANGED: sentence("Access changed"),
    Verb.ACCESS_GRANTED: sentence("Access granted"),
    Verb.ACCESS_REVOKED: sentence("Access revoked"),
    Verb.AUDIT_EXPORTED: sentence("Audit exported"),
    Verb.CHAT_CHANGED: sentence("Chat changed"),
    Verb.CHAT_OPENED: sentence("Chat opened"),
    Verb.CHAT_READ: sentence("Chat marked as read"),
    Verb.COMPANY_CREATED: sentence("Company created"),
    Verb.COMPANY_DOMAIN_REMOVED: sentence("Host name taken away"),
    Verb.COMPANY_DOMAIN_SET: sentence("Host name set"),
    Verb.COMPANY_IMPORTED: sentence("Taken over from another system"),
    Verb.COMPANY_PLAN_CHANGED: sentence("Plan changed"),
    Verb.COMPANY_RESUMED: sentence("Company resumed"),
    Verb.COMPANY_SUSPENDED: sentence("Company suspended"),
    Verb.INBOUND_SECRET_REMOVED: sentence("Secret for signed requests removed"),
    Verb.INBOUND_SECRET_ROTATED: sentence("New secret for signed requests"),
    Verb.KEY_MADE: sentence("API key made"),
    Verb.KEY_REVOKED: sentence("API key revoked"),
    Verb.LOGIN: sentence("Logged in"),
    Verb.MESSAGE_CANCELLED: sentence("Message taken back"),
    Verb.MESSAGE_REACTED: sentence("Reacted to a message"),
    Verb.MESSAGE_SENT: sentence("Message sent"),
    Verb.PASSWORD_CHANGED: sentence("Password changed"),
    Verb.PERSON_ACTIVATED: sentence("Account activated"),
    Verb.PERSON_ADDED: sentence("Person added"),
    Verb.PERSON_CHANGED: sentence("Person changed"),
    Verb.PERSON_DEACTIVATED: sentence("Account deactivated"),
    Verb.PERSON_REMOVED: sentence("Person removed"),
    Verb.QUEUE_PACED: sentence("Sending pace changed"),
    Verb.QUEUE_PAUSED: sentence("Sending held back"),
    Verb.QUEUE_RESUMED: sentence("Sending let go on"),
    Verb.SECOND_FACTOR_OFF: sentence("Log-in in two steps turned off"),
    Verb.SECOND_FACTOR_ON: sentence("Log-in in two steps turned on"),
    Verb.SESSION_ARCHIVED: sentence("Number put away"),
    Verb.SESSION_CHANGED: sentence("Number changed"),
    Verb.SESSION_CODE_REQUESTED: sentence("Pairing code asked for"),
    Verb.SESSION_CREATED: sentence("Number created"),
    Verb.SESSION_INVITATION_REVOKED: sentence("Link for the phone's owner taken back"),
    Verb.SESSION_INVITED: sentence("Link made for the phone's owner"),
    Verb.SESSION_LINKED: sentence("Phone linked"),
    Verb.SESSION_LINK_CANCELLED: sentence("Linking cancelled"),
    Verb.SESSION_LOGGED_OUT: sentence("Phone unlinked by WhatsApp or on the phone"),
    Verb.SESSION_PAUSED: sentence("Number paused"),
    Verb.SESSION_RESTORED: sentence("Linked device restored from a backup"),
    Verb.SESSION_STARTED: sentence("Number started"),
    Verb.SESSION_UNLINKED: sentence("Number unlinked"),
    Verb.SETTINGS_CHANGED: sentence("Settings changed"),
    Verb.WEBHOOK_CHANGED: sentence("Webhook changed"),
    Verb.WEBHOOK_MADE: sentence("Webhook made"),
    Verb.WEBHOOK_REMOVED: sentence("Webhook removed"),
    Verb.WEBHOOK_REPLAYED: sentence("Webhook events sent again"),
    Verb.WEBHOOK_SECRET_ROTATED: sentence("New secret for a webhook"),
}


class ActorKind(StrEnum):
    """Who did it: a person, a program with a person's key, one that signs, somebody by an
    invitation, an operator, or the platform itself."""

    PERSON = "person"
    KEY = "key"
    SIGNED = "signed"
    GUEST = "guest"
    OPERATOR = "operator"
    SYSTEM = "system"


class TargetKind(StrEnum):
    """What it was done to."""

    COMPANY = "company"
    SESSION = "session"
    CHAT = "chat"
    MESSAGE = "message"
    PERSON = "person"
    KEY = "key"
    WEBHOOK = "webhook"
