"""What requests may hold, and how answers look in the API's description."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext
from rest_framework import serializers

from fleet.models import Network
from fleet.states import State, Wanted
from whatsapp.catalogue import KINDS
from whatsapp.models import MessageStatus, ReactionStatus
from whatsapp.services.chats import MAX_LIMIT
from whatsapp.services.feed import MAX_EVENTS
from whatsapp.services.outbound import BATCH, PRIORITIES, Delivery
from whatsapp.services.pacing import Hold

Input = serializers.Serializer[Any]
Data = dict[str, Any]

#: How long a request may wait for events, in seconds.
MAX_WAIT = 30


# -- in ------------------------------------------------------------------------------------------------------------
class NewSession(Input):
    name = serializers.CharField(required=False, allow_blank=True, max_length=80, default="")
    network = serializers.ChoiceField(Network.choices, required=False, default=Network.WHATSAPP)


class SessionChange(Input):
    name = serializers.CharField(allow_blank=True, max_length=80, required=False)
    ignoresGroups = serializers.BooleanField(required=False, help_text="What is said in groups is not kept.")

    def validate(self, attrs: Any) -> Any:
        if not attrs:
            raise serializers.ValidationError({"name": [self.fields["name"].error_messages["required"]]})
        return attrs


class PairingRequest(Input):
    phoneNumber = serializers.CharField(max_length=40, allow_blank=True, required=False, default="")


class EventQuery(Input):
    after = serializers.RegexField(
        r"^([0-9]{1,18}|now)$", required=False, allow_blank=True, default="",
        help_text="A cursor: what came after it. `now`: only what comes from here on. Empty: from the oldest kept.",
    )  # fmt: skip
    types = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=400, help_text="Only these, separated by commas."
    )
    session = serializers.CharField(required=False, allow_blank=True, default="", max_length=32)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_EVENTS, required=False, default=100)
    wait = serializers.FloatField(
        min_value=0, max_value=MAX_WAIT, required=False, default=0,
        help_text="Seconds to wait for something to happen when nothing has yet.",
    )  # fmt: skip

    def validate_types(self, value: str) -> list[str]:
        names = [name.strip() for name in value.split(",") if name.strip()]
        if unknown := sorted(set(names) - KINDS.keys()):
            raise serializers.ValidationError(
                gettext("There are no such types: %(names)s") % {"names": ", ".join(unknown)}
            )
        return names


class Moment(serializers.DateTimeField):
    """A moment that says which: ISO 8601 with `Z` or an offset. Without one it would be somebody's guess."""

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise serializers.ValidationError(gettext("Say the time zone: `Z`, or an offset like `+03:00`."))
        try:
            return value.astimezone(UTC)
        except OverflowError:
            self.fail("overflow")


class OutgoingText(Input):
    message = serializers.CharField(allow_blank=True, trim_whitespace=True, required=False, default="")
    priority = serializers.IntegerField(
        required=False, default=0, min_value=PRIORITIES[0], max_value=PRIORITIES[1], help_text="Higher leaves first."
    )
    sendAt = Moment(required=False, allow_null=True, default=None, help_text="Not before; at most 30 days ahead.")
    expiresAt = Moment(required=False, allow_null=True, default=None, help_text="Not sent any more after.")

    @staticmethod
    def delivery(data: Mapping[str, Any]) -> Delivery:
        """What was asked for, out of validated data."""
        return Delivery(data["priority"], data["sendAt"], data["expiresAt"])


class TextToNumber(OutgoingText):
    phone = serializers.CharField(max_length=40, allow_blank=True, required=False, default="")


class TextOfBatch(TextToNumber):
    chatId = serializers.CharField(
        max_length=32, allow_blank=True, required=False, default="", help_text="Instead of a number."
    )


class TextBatch(Input):
    messages = serializers.ListField(child=TextOfBatch(), min_length=1, max_length=BATCH)


class OutgoingReaction(Input):
    emoji = serializers.CharField(allow_blank=True, max_length=32, help_text="One emoji; empty takes it back.")


class Typing(Input):
    typing = serializers.BooleanField()


class LineReaction(Input):
    phone = serializers.CharField(max_length=40)
    emoji = serializers.CharField(max_length=32)
    messageId = serializers.CharField(max_length=64, help_text="Ours, or WhatsApp's.")
    companyId = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")


class Grant(Input):
    managerId = serializers.CharField(max_length=32)
    canRead = serializers.BooleanField(required=False, default=True)
    canWrite = serializers.BooleanField(required=False, default=True)
    canManageChats = serializers.BooleanField(required=False, default=False)


class ManagerPermissions(Input):
    managerId = serializers.CharField(max_length=32)
    permissions = serializers.ListField(
        child=serializers.ChoiceField(["read", "write", "manage"]), required=False, default=["read", "write"]
    )


class Pace(Input):
    minGap = serializers.FloatField(required=False, default=0.0, min_value=0, max_value=3600, help_text="Seconds.")
    maxGap = serializers.FloatField(required=False, default=0.0, min_value=0, max_value=3600, help_text="Seconds.")
    dailyLimit = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=1_000_000, help_text="Texts a day."
    )
    newChatLimit = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=1_000_000,
        help_text="Of these, to people who never wrote to the number.",
    )  # fmt: skip


class PageQuery(Input):
    page = serializers.IntegerField(min_value=1, max_value=1_000_000, required=False, default=1)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, required=False, default=50)


class OptionalPageQuery(Input):
    page = serializers.IntegerField(min_value=1, max_value=1_000_000, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, required=False)


class ChatQuery(PageQuery):
    includeGroups = serializers.BooleanField(required=False, default=False)
    includeStatus = serializers.BooleanField(required=False, default=False, help_text="Accepted, without effect.")
    chatType = serializers.ChoiceField(["individual", "group", "all"], required=False, default="individual")
    search = serializers.CharField(required=False, allow_blank=True, default="", max_length=80)
    archived = serializers.BooleanField(required=False, default=False, help_text="Those put away, instead.")


class ChatChange(Input):
    isArchived = serializers.BooleanField(required=False)
    chatName = serializers.CharField(required=False, allow_blank=True, max_length=120)
    assigneeId = serializers.CharField(required=False, allow_blank=True, max_length=32)


# -- out -----------------------------------------------------------------------------------------------------------
class SessionShape(Input):
    id = serializers.CharField()
    companyId = serializers.CharField()
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # DRF's fields have a label too
    network = serializers.ChoiceField(Network.choices)
    ignoresGroups = serializers.BooleanField()
    phoneNumber = serializers.CharField(help_text="Digits; `pending` until a phone is linked.")
    displayName = serializers.CharField(allow_null=True)
    isActive = serializers.BooleanField()
    isConnected = serializers.BooleanField()
    isLinked = serializers.BooleanField()
    wanted = serializers.ChoiceField([(w.value, w.value) for w in Wanted])
    state = serializers.ChoiceField([(s.value, s.value) for s in State])
    reason = serializers.CharField()
    reasonText = serializers.CharField()
    since = serializers.DateTimeField()
    nextRetryAt = serializers.DateTimeField(allow_null=True)
    lastSeen = serializers.DateTimeField(allow_null=True)
    queuePausedAt = serializers.DateTimeField(allow_null=True, help_text="Nothing leaves since then.")
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class ListedSessionShape(SessionShape):
    qrCode = serializers.CharField(allow_null=True, help_text="Only for those who may link.")
    sessionData = serializers.CharField(allow_null=True, help_text="Always null.")
    adminId = serializers.CharField(allow_null=True)
    admin = serializers.DictField(allow_null=True)
    _count = serializers.DictField(child=serializers.IntegerField())


class Created(Input):
    sessionId = serializers.CharField()
    message = serializers.CharField()


class QrShape(Input):
    isConnected = serializers.BooleanField()
    qrCode = serializers.CharField(required=False, help_text="A PNG as a data URL.")
    qr = serializers.CharField(required=False, help_text="The QR code's text.")
    expiresAt = serializers.DateTimeField(required=False)
    phoneNumber = serializers.CharField(required=False)
    displayName = serializers.CharField(required=False)
    message = serializers.CharField()


class CodeShape(Input):
    code = serializers.CharField(help_text="`XXXX-XXXX`, empty while there is none.")
    phoneNumber = serializers.CharField()
    expiresAt = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField(help_text="Why WhatsApp gave no code, in its words.")


class SessionTotals(Input):
    total = serializers.IntegerField()
    connected = serializers.IntegerField()
    disconnected = serializers.IntegerField()


class LineMessage(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    message = serializers.CharField()


class GatewayText(TextToNumber):
    companyId = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")


class GatewayStatus(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    status = serializers.DictField()


class GatewayQr(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    qr = serializers.DictField(allow_null=True, help_text="`type` (`qr` or `pairing`) and `code`.")


class GatewaySessions(Input):
    success = serializers.BooleanField()
    count = serializers.IntegerField()
    sessions = serializers.ListField(child=serializers.DictField())


class LineHealth(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    healthy = serializers.BooleanField()
    reason = serializers.CharField(required=False)
    phoneNumber = serializers.CharField(required=False, allow_null=True)


class GatewayHealth(LineHealth):
    timestamp = serializers.CharField()
    connection = serializers.DictField()
    recommendations = serializers.ListField(child=serializers.CharField(), help_text="What to do; empty when nothing.")


class LineStatus(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    sessionId = serializers.CharField(allow_null=True)
    connected = serializers.BooleanField()
    status = serializers.ChoiceField(["connected", "disconnected", "not_initialized", "error"])
    phoneNumber = serializers.CharField(allow_null=True)
    reconnectAttempts = serializers.IntegerField()
    health = serializers.DictField()
    uptime = serializers.IntegerField(help_text="Seconds.")


class LineAdvice(Input):
    level = serializers.ChoiceField(["success", "warning", "error"])
    message = serializers.CharField()
    action = serializers.CharField()


class LineDiagnostics(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    timestamp = serializers.DateTimeField()
    health = serializers.DictField()
    recommendations = LineAdvice(many=True)


class LineMetrics(Input):
    success = serializers.BooleanField()
    metrics = serializers.DictField()
    sessions = SessionTotals()
    timestamp = serializers.DateTimeField()


class LineInitialised(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    sessionId = serializers.CharField()
    connected = serializers.BooleanField(required=False)
    qr = serializers.CharField(required=False)
    qrDataUrl = serializers.CharField(required=False)
    qrTerminal = serializers.CharField(required=False)
    message = serializers.CharField()


class LineSent(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    phone = serializers.CharField()
    messageId = serializers.CharField()
    status = serializers.CharField()
    timestamp = serializers.DateTimeField()


class LineReacted(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    phone = serializers.CharField()
    messageId = serializers.CharField()
    emoji = serializers.CharField()
    status = serializers.CharField()


class Paired(Input):
    success = serializers.BooleanField()
    companyId = serializers.CharField()
    sessionId = serializers.CharField()
    code = serializers.CharField(help_text="`XXXX-XXXX`; empty while WhatsApp has given none (202).")
    expiresIn = serializers.IntegerField(help_text="Seconds.")
    expiresAt = serializers.DateTimeField(allow_null=True)
    instructions = serializers.ListField(child=serializers.CharField())
    data = SessionShape()  # type: ignore[assignment]  # a name that DRF has too


class CodeAnswer(Input):
    success = serializers.BooleanField()
    data = CodeShape()  # type: ignore[assignment]  # a name that DRF has too


class TransitionShape(Input):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    happening = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()
    reason = serializers.CharField()
    reasonText = serializers.CharField()
    detail = serializers.CharField()
    byUserId = serializers.CharField(allow_null=True)


class ReactionShape(Input):
    emoji = serializers.CharField()
    fromMe = serializers.BooleanField()
    name = serializers.CharField()
    at = serializers.DateTimeField()
    status = serializers.ChoiceField(ReactionStatus.choices, allow_null=True, help_text="Of those put here.")
    errorCode = serializers.CharField(allow_null=True)


class ReactedShape(Input):
    id = serializers.CharField(help_text="The message's.")
    chatId = serializers.CharField()
    emoji = serializers.CharField()
    status = serializers.ChoiceField(ReactionStatus.choices)


class MediaShape(Input):
    """What a message brings, as its sender's phone describes it; null is what it does not say."""

    mimetype = serializers.CharField(allow_null=True)
    fileName = serializers.CharField(allow_null=True, help_text="Without folders.")
    size = serializers.IntegerField(allow_null=True, help_text="Bytes.")
    pages = serializers.IntegerField(allow_null=True)
    seconds = serializers.IntegerField(allow_null=True)
    width = serializers.IntegerField(allow_null=True, help_text="Pixels of the thing itself.")
    height = serializers.IntegerField(allow_null=True)
    isVoice = serializers.BooleanField(help_text="Spoken into the phone.")
    isAnimated = serializers.BooleanField()
    isViewOnce = serializers.BooleanField(help_text="To be seen once; no preview is kept.")
    title = serializers.CharField(allow_null=True, help_text="A place's name, or that of a link's page.")
    description = serializers.CharField(allow_null=True, help_text="What a link's page says of itself.")
    address = serializers.CharField(allow_null=True)
    latitude = serializers.FloatField(allow_null=True, help_text="Degrees.")
    longitude = serializers.FloatField(allow_null=True)
    lines = serializers.ListField(
        child=serializers.CharField(), help_text="A poll's answers; people and numbers of contact cards."
    )
    hasPreview = serializers.BooleanField(help_text="`…/messages/{id}/preview` has a small JPEG.")


class MessageShape(Input):
    id = serializers.CharField()
    chatId = serializers.CharField()
    sessionId = serializers.CharField()
    companyId = serializers.CharField()
    messageId = serializers.CharField(help_text="WhatsApp's id; empty until it is known.")
    fromMe = serializers.BooleanField()
    fromNumber = serializers.CharField()
    fromName = serializers.CharField()
    body = serializers.CharField()
    messageType = serializers.CharField()
    mediaUrl = serializers.CharField(allow_null=True)
    media = MediaShape(allow_null=True)
    timestamp = serializers.DateTimeField()
    status = serializers.ChoiceField(MessageStatus.choices)
    errorCode = serializers.CharField(allow_null=True)
    retryAt = serializers.DateTimeField(allow_null=True, help_text="When WhatsApp may take it, or it may leave.")
    priority = serializers.IntegerField()
    sendAt = serializers.DateTimeField(allow_null=True)
    expiresAt = serializers.DateTimeField(allow_null=True)
    isRead = serializers.BooleanField()
    managerId = serializers.CharField(allow_null=True)
    manager = serializers.DictField(allow_null=True)
    reactions = ReactionShape(many=True)
    createdAt = serializers.DateTimeField()


class HeldMessageShape(MessageShape):
    errorText = serializers.CharField(help_text="`errorCode` in the reader's language.")
    heldReason = serializers.ChoiceField([(h.value, h.value) for h in Hold], allow_null=True)
    heldText = serializers.CharField(help_text="`heldReason` in the reader's language.")


class QueuedMessageShape(MessageShape):
    position = serializers.IntegerField(help_text="The how manieth it is to leave, from 1.")
    heldReason = serializers.ChoiceField([(h.value, h.value) for h in Hold], allow_null=True)
    heldText = serializers.CharField(help_text="`heldReason` in the reader's language.")


class ChatShape(Input):
    id = serializers.CharField()
    sessionId = serializers.CharField()
    companyId = serializers.CharField()
    chatId = serializers.CharField()
    chatName = serializers.CharField()
    chatType = serializers.ChoiceField(["individual", "group"])
    isGroup = serializers.BooleanField()
    contact = serializers.DictField(allow_null=True)
    lastMessageAt = serializers.DateTimeField(allow_null=True)
    lastMessageText = serializers.CharField(allow_null=True)
    isArchived = serializers.BooleanField()
    assigneeId = serializers.CharField(allow_null=True)
    unreadCount = serializers.IntegerField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class CountedChatShape(ChatShape):
    _count = serializers.DictField(child=serializers.IntegerField())


class PageShape(Input):
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()
    pages = serializers.IntegerField()


class ChatsShape(Input):
    chats = CountedChatShape(many=True)
    pagination = PageShape()


class MessagesShape(Input):
    chat = ChatShape()
    messages = MessageShape(many=True)
    pagination = PageShape()


class QueuedShape(Input):
    id = serializers.CharField()
    chatId = serializers.CharField()
    status = serializers.CharField()


class ResultShape(Input):
    """Of one text: what it became, or what was wrong with it."""

    id = serializers.CharField(required=False)
    chatId = serializers.CharField(required=False)
    status = serializers.CharField(required=False)
    code = serializers.CharField(required=False)
    message = serializers.CharField(required=False)


class BatchShape(Input):
    results = ResultShape(many=True, help_text="One for each text, in their order.")
    queued = serializers.IntegerField()
    refused = serializers.IntegerField()


class NewChatsShape(Input):
    isHeld = serializers.BooleanField()
    heldReason = serializers.ChoiceField([(h.value, h.value) for h in Hold], allow_null=True)
    heldText = serializers.CharField(help_text="`heldReason` in the reader's language.")
    retryAt = serializers.DateTimeField(allow_null=True)
    refusals = serializers.IntegerField(help_text="How often in a row WhatsApp refused texts to new people.")


class QueueStateShape(Input):
    sessionId = serializers.CharField()
    isPaused = serializers.BooleanField()
    pausedAt = serializers.DateTimeField(allow_null=True)
    heldReason = serializers.ChoiceField([(h.value, h.value) for h in Hold], allow_null=True)
    heldText = serializers.CharField(help_text="`heldReason` in the reader's language.")
    retryAt = serializers.DateTimeField(allow_null=True)
    newChats = NewChatsShape()
    pace = Pace()
    waiting = serializers.IntegerField()
    scheduled = serializers.IntegerField()
    inFlight = serializers.IntegerField()


class QueueShape(Input):
    queue = QueueStateShape()
    messages = QueuedMessageShape(many=True)
    pagination = PageShape()


class ReadShape(Input):
    markedCount = serializers.IntegerField()
    chat = CountedChatShape()


class GrantShape(Input):
    id = serializers.CharField()
    sessionId = serializers.CharField()
    managerId = serializers.CharField()
    companyId = serializers.CharField()
    canRead = serializers.BooleanField()
    canWrite = serializers.BooleanField()
    canManageChats = serializers.BooleanField()
    grantedAt = serializers.DateTimeField()
    grantedBy = serializers.CharField(allow_null=True)
    manager = serializers.DictField()


class ListedGrantShape(GrantShape):
    grantedByUser = serializers.DictField(allow_null=True)


class Total(Input):
    total = serializers.IntegerField()


class LatelyTotals(Total):
    incoming = serializers.IntegerField()
    outgoing = serializers.IntegerField()


class MessageTotals(Total):
    last30Days = LatelyTotals()


class StatsShape(Input):
    sessions = SessionTotals()
    chats = Total()
    messages = MessageTotals()


class EventShape(Input):
    id = serializers.CharField()
    type = serializers.ChoiceField(sorted(KINDS))
    schemaVersion = serializers.IntegerField()
    companyId = serializers.CharField()
    sessionId = serializers.CharField(allow_null=True)
    seq = serializers.IntegerField(allow_null=True)
    cursor = serializers.CharField()
    accountId = serializers.CharField(allow_null=True)
    chatId = serializers.CharField(allow_null=True)
    happenedAt = serializers.DateTimeField()
    recordedAt = serializers.DateTimeField()
    # Declared fields are no attributes of the class in the end, so `Serializer.data` stays what it is.
    data = serializers.DictField()  # type: ignore[assignment]


class EventsShape(Input):
    events = EventShape(many=True)
    next = serializers.CharField()
    hasMore = serializers.BooleanField()
    keptDays = serializers.IntegerField()
