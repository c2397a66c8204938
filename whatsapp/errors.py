"""What can go wrong with sessions, chats and messages, with the sentences that people read."""

from math import ceil

from accounts.errors import ManagerNotFound as ManagerNotFound
from wharf.errors import Kind, NotAuthenticated, PermissionDenied, Sentence, WharfError, sentence


class SessionNotFound(WharfError):
    code, kind = "session_not_found", Kind.NOT_FOUND
    text = sentence("WhatsApp session not found")


class ChatNotFound(WharfError):
    code, kind = "chat_not_found", Kind.NOT_FOUND
    text = sentence("Chat not found")


class MessageNotFound(WharfError):
    code, kind = "message_not_found", Kind.NOT_FOUND
    text = sentence("Message not found")


class PreviewNotFound(WharfError):
    """The message is there, and brought no picture."""

    code, kind = "preview_not_found", Kind.NOT_FOUND
    text = sentence("This message has no preview")


class GrantNotFound(WharfError):
    code, kind = "access_not_found", Kind.NOT_FOUND
    text = sentence("This manager has no access to the session")


class SessionLimitReached(WharfError):
    """The plan's number of sessions is used up (seed W1: one, and this sentence)."""

    code, kind = "session_limit_reached", Kind.CONFLICT
    text = sentence("The company already has an active WhatsApp session")


class SandboxNotAllowed(WharfError):
    code, kind = "sandbox_not_allowed", Kind.FORBIDDEN
    text = sentence("This company may not have sandbox sessions")


class SessionArchived(WharfError):
    code, kind = "session_archived", Kind.CONFLICT
    text = sentence("The session is archived")


class SessionStillLinked(WharfError):
    """Archiving must never be what removes a device: that is said by `unlink`."""

    code, kind = "session_still_linked", Kind.CONFLICT
    text = sentence("Unlink the session before archiving it")


class AlreadyLinked(WharfError):
    code, kind = "already_linked", Kind.CONFLICT
    text = sentence("A phone is already linked to this session")


class TooManyInvitations(WharfError):
    """Each is a way in: nobody keeps an eye on a hundred of them."""

    code, kind = "too_many_invitations", Kind.CONFLICT
    text = sentence("There are enough open links to this number; take one back first")


class InvitationNotFound(WharfError):
    code, kind = "invitation_not_found", Kind.NOT_FOUND
    text = sentence("This link is not valid")


class InvitationSpent(WharfError):
    code, kind = "invitation_spent", Kind.GONE
    text = sentence("This link has been used: a phone is linked")


class InvitationRevoked(WharfError):
    code, kind = "invitation_revoked", Kind.GONE
    text = sentence("This link was taken back")


class InvitationExpired(WharfError):
    code, kind = "invitation_expired", Kind.GONE
    text = sentence("This link is too old")


class SessionNotConnected(WharfError):
    """A send to a session without a linked phone (seed W11)."""

    code, kind = "session_not_connected", Kind.UNAVAILABLE
    text = sentence("The session was not found or is not connected")


class EmptyMessage(WharfError):
    code, kind = "empty_message", Kind.INVALID
    text = sentence("The message must not be empty")


class MessageTooLong(WharfError):
    code, kind = "message_too_long", Kind.INVALID
    text = sentence("The message must not be longer than %(limit)s characters")


class BadReaction(WharfError):
    code, kind = "bad_reaction", Kind.INVALID
    text = sentence("A reaction is exactly one emoji")


class MessageNotSentYet(WharfError):
    """WhatsApp names a message by an id that this one does not have yet."""

    code, kind = "message_not_sent_yet", Kind.CONFLICT
    text = sentence("WhatsApp does not have this message yet")


class BadPriority(WharfError):
    code, kind = "bad_priority", Kind.INVALID
    text = sentence("The priority must be a whole number from %(least)s to %(most)s")


class BadSendTime(WharfError):
    code, kind = "bad_send_time", Kind.INVALID
    text = sentence("The time to send at must be in the future, and at most %(days)s days ahead")


class BadExpiry(WharfError):
    code, kind = "bad_expiry", Kind.INVALID
    text = sentence("The message would expire before it may be sent")


class BadGap(WharfError):
    code, kind = "bad_gap", Kind.INVALID
    text = sentence("The shortest gap between messages must not be longer than the longest one")


class MessageLeft(WharfError):
    """Only what provably has not left can be taken back."""

    code, kind = "message_left", Kind.CONFLICT
    text = sentence("The message has left already, or may have")


class BadIdempotencyKey(WharfError):
    code, kind = "bad_idempotency_key", Kind.INVALID
    text = sentence("Idempotency-Key must have 1 to %(limit)s printable ASCII characters")


class IdempotencyKeyReused(WharfError):
    code, kind = "idempotency_key_reused", Kind.UNPROCESSABLE
    text = sentence("This Idempotency-Key was used for another request")


class RequestInProgress(WharfError):
    code, kind = "request_in_progress", Kind.CONFLICT
    text = sentence("A request with this Idempotency-Key is being carried out. Ask again in a moment.")
    retry_after = 1


class BadPhoneNumber(WharfError):
    code, kind = "bad_phone_number", Kind.INVALID
    text = sentence("This is not a phone number: 10 to 15 digits with the country code are expected")


class PhoneNumberMissing(WharfError):
    code, kind = "phone_number_missing", Kind.INVALID
    text = sentence("A phone number is required")


class CodeRequestInProgress(WharfError):
    """A pairing code was asked for a moment ago, and WhatsApp has not answered (seed 4.6)."""

    code, kind = "code_request_in_progress", Kind.CONFLICT
    text = sentence("The request is being processed already. Please wait…")


class CodeRefused(WharfError):
    """WhatsApp gave no pairing code (seed row 39)."""

    code, kind = "pairing_code_refused", Kind.INVALID
    text = sentence("WhatsApp gave no pairing code. Use the QR code.")


class TooManyCodes(WharfError):
    code, kind = "too_many_codes", Kind.TOO_MANY
    text = sentence("Too many pairing codes were asked for this number, try again in %(minutes)s min.")

    def __init__(self, *, seconds: float) -> None:
        self.retry_after = ceil(seconds)
        super().__init__(minutes=ceil(seconds / 60))


# -- the inbound webhook; its clients know these sentences, so nothing translates them (seed contract 4.2) -------------
class SignatureMissing(NotAuthenticated):
    code = "signature_missing"
    text = Sentence("Missing authentication headers")


class SignatureTooOld(NotAuthenticated):
    """From the past, from the future, or no timestamp."""

    code = "signature_too_old"
    text = Sentence("Request timestamp too old")


class SignatureWrong(NotAuthenticated):
    """Wrong, of a company that is not there, or of one without a secret: never says which."""

    code = "signature_wrong"
    text = Sentence("Invalid signature")


class UnknownAction(WharfError):
    code, kind = "unknown_action", Kind.INVALID
    text = sentence("This action is not known here")


class TooManyTexts(WharfError):
    code, kind = "too_many_texts", Kind.TOO_MANY
    text = sentence("Too many messages to this number, try again in %(seconds)s s.")

    def __init__(self, *, seconds: float) -> None:
        self.retry_after = ceil(seconds)
        super().__init__(seconds=self.retry_after)


class TooManyReactions(TooManyTexts):
    """At most ten a minute to one number over the older system's route (seed 4.2)."""

    code = "too_many_reactions"
    text = sentence("Too many reactions to this number, try again in %(seconds)s s.")


class QrTimeout(WharfError):
    """No QR code came in time (seed row 31)."""

    code, kind = "qr_timeout", Kind.UNAVAILABLE
    text = sentence("QR code generation timeout")


class NameTooLong(WharfError):
    code, kind = "name_too_long", Kind.INVALID
    text = sentence("The name must not be longer than %(limit)s characters")


class UnknownNetwork(WharfError):
    code, kind = "unknown_network", Kind.INVALID
    text = sentence("The network must be one of: %(networks)s")


# -- what only administrators may do (seed W1, W5, W6-W8) ------------------------------------------------------------
class CreationDenied(PermissionDenied):
    code = "session_creation_denied"
    text = sentence("Only administrators may create WhatsApp sessions")


class ControlDenied(PermissionDenied):
    code = "session_control_denied"
    text = sentence("Only administrators may control WhatsApp sessions")


class DisconnectingDenied(ControlDenied):
    code = "session_disconnecting_denied"
    text = sentence("Only administrators may disconnect WhatsApp sessions")


class GrantingDenied(PermissionDenied):
    code = "access_control_denied"
    text = sentence("Only administrators may control access to WhatsApp")


class GrantsHidden(GrantingDenied):
    code = "access_list_denied"
    text = sentence("Only administrators may see who has access to WhatsApp")


class CleanupDenied(PermissionDenied):
    code = "session_cleanup_denied"
    text = sentence("Only administrators may clean up WhatsApp sessions")


class ReadingDenied(PermissionDenied):
    code = "session_denied"
    text = sentence("You do not have access to this WhatsApp session")


class ChatCareDenied(PermissionDenied):
    code = "chat_management_denied"
    text = sentence("You do not have the right to manage chats in this WhatsApp session")


class SendingDenied(PermissionDenied):
    code = "sending_denied"
    text = sentence("You do not have the right to send messages in this WhatsApp session")


class CancellingDenied(PermissionDenied):
    code = "cancelling_denied"
    text = sentence("You may take back your own messages; those of others, only whoever manages chats here")


class QueueControlDenied(PermissionDenied):
    code = "queue_control_denied"
    text = sentence("You do not have the right to pause sending in this WhatsApp session")


class PacingDenied(PermissionDenied):
    code = "pacing_denied"
    text = sentence("Only administrators may set how fast a session sends")


class AmbiguousName(WharfError):
    """Operators may name a session by its name while only one has it."""

    code, kind = "ambiguous_name", Kind.CONFLICT
    text = sentence("Several sessions are named %(name)s; use the id")


# -- backups of device stores ----------------------------------------------------------------------------------------
class NothingToBackUp(WharfError):
    code, kind = "nothing_to_back_up", Kind.CONFLICT
    text = sentence("No phone is linked to this session, so there is nothing to keep")


class StoreElsewhere(WharfError):
    """Device stores are reached on the disk of their worker alone."""

    code, kind = "store_elsewhere", Kind.CONFLICT
    text = sentence("The session's keys are on another worker's disk; run this there")


class StoreUnreadable(WharfError):
    code, kind = "store_unreadable", Kind.BROKEN
    text = sentence("The session's keys cannot be read: %(problem)s")


class BackupNotFound(WharfError):
    code, kind = "backup_not_found", Kind.NOT_FOUND
    text = sentence("There is no such backup of this session")


class BackupDamaged(WharfError):
    code, kind = "backup_damaged", Kind.BROKEN
    text = sentence("The backup %(name)s is damaged: %(problem)s")


class BackupOfOtherKey(WharfError):
    code, kind = "backup_of_other_key", Kind.CONFLICT
    text = sentence("The backup %(name)s was sealed with another key than this one (WHARF_BACKUP_KEY)")


class BackupOfOtherDevice(WharfError):
    code, kind = "backup_of_other_device", Kind.CONFLICT
    text = sentence("The backup %(name)s holds another linked device than the session has now")


class BackupOfOtherNumber(WharfError):
    code, kind = "backup_of_other_number", Kind.CONFLICT
    text = sentence("The backup %(name)s belongs to another number than the session")


class DeviceInUse(WharfError):
    """Two connections with one device's keys end each other."""

    code, kind = "device_in_use", Kind.CONFLICT
    text = sentence("Another session has this linked device; it must not be connected twice")


class SessionRunning(WharfError):
    code, kind = "session_running", Kind.CONFLICT
    text = sentence("The session is running or not yet at rest; pause it first and wait until it is stopped")


class WorkerStateUnknown(WharfError):
    """Nothing is cleared away under a worker that may still be at it."""

    code, kind = "worker_state_unknown", Kind.UNAVAILABLE
    text = sentence("A worker of this disk is silent, and may still hold its sessions; nothing is removed meanwhile")


class NoWorker(WharfError):
    code, kind = "no_worker", Kind.UNAVAILABLE
    text = sentence("No worker is running, so no phone can be linked; start one with `runsessions`")


class CursorTooOld(WharfError):
    """Start again from `oldest`, and look at the rows for what happened before."""

    code, kind, told = "cursor_too_old", Kind.GONE, ("oldest",)
    text = sentence("Events after this cursor are not kept any more; the oldest cursor is %(oldest)s")


class CursorAhead(WharfError):
    """A cursor of another company, or from before the database was restored."""

    code, kind, told = "cursor_ahead", Kind.INVALID, ("last",)
    text = sentence("There is no such cursor yet; the last one is %(last)s")


# -- webhooks --------------------------------------------------------------------------------------------------------
class EndpointNotFound(WharfError):
    code, kind = "webhook_not_found", Kind.NOT_FOUND
    text = sentence("There is no such webhook endpoint")


class DeliveryNotFound(WharfError):
    """The log of deliveries goes back a few days."""

    code, kind = "delivery_not_found", Kind.NOT_FOUND
    text = sentence("There is no such delivery")


class EventNotKept(WharfError):
    """The log goes back `EVENT_DAYS`, and whatever no log has was never an event."""

    code, kind = "event_not_kept", Kind.NOT_FOUND
    text = sentence("This event is not kept, or never was")


class NothingToReplay(WharfError):
    code, kind = "nothing_to_replay", Kind.NOT_FOUND
    text = sentence("No such events are kept")


class TooManyEndpoints(WharfError):
    code, kind = "too_many_webhooks", Kind.CONFLICT
    text = sentence("A company has at most %(most)s webhook endpoints")


class TooManyReplays(WharfError):
    code, kind = "too_many_replays", Kind.CONFLICT
    text = sentence("This endpoint has %(most)s replays under way; wait until one has ended")


class SecretUnreadable(WharfError):
    """The platform's key is another one than the one that sealed the endpoint's secrets."""

    code, kind = "webhook_secret_unreadable", Kind.CONFLICT
    text = sentence("The endpoint's secrets cannot be read any more; make a new secret and give its headers again")
