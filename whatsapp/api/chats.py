"""Chats and messages over REST (seed contract W9-W12, and sending to a number)."""

from django.http import HttpResponse
from django.utils.translation import gettext
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.views import CompanyAPIView, CompanyRequest
from wharf.api import ok
from wharf.errors import WharfError, sentence
from wharf.meanings import body
from wharf.pictures import AskedForPicture, jpeg_answer
from wharf.schema import envelope
from whatsapp import shapes
from whatsapp.api import serializers as s
from whatsapp.api.queue import held
from whatsapp.api.repeats import REPEATABLE, repeatable
from whatsapp.models import Chat, Message
from whatsapp.services import chats, outbound, queue, reacting, typing
from whatsapp.services.chat_care import ChatChange, change_chat
from whatsapp.services.chats import ChatFilter
from whatsapp.services.media import media_of
from whatsapp.services.reactions import reactions_to
from whatsapp.services.refusals import problem_text

SENT = sentence("The message has been sent")
MARKED = sentence("The messages have been marked as read")
NOTHING_UNREAD = sentence("There are no unread messages")


class ChatsView(CompanyAPIView):
    @extend_schema(
        operation_id="listChats", tags=["chats"], parameters=[s.ChatQuery],
        responses=envelope("ChatsAnswer", s.ChatsShape),
    )  # fmt: skip
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """The session's chats, newest first."""
        asked = s.ChatQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        rows, page = chats.list_chats(
            session_id=session_id,
            by=request.actor,
            number=data["page"],
            limit=data["limit"],
            chat_filter=ChatFilter(data["includeGroups"], data["chatType"], data["search"], data["archived"]),
        )
        listed = [_chat(row, session_id, request) | {"_count": {"messages": total}} for row, total in rows]
        return ok({"chats": listed, "pagination": page.shape})


def _chat(row: Chat, session_id: str, request: CompanyRequest) -> shapes.Shape:
    return shapes.chat(row, session_id, request.company.pk)


class ChatView(CompanyAPIView):
    @extend_schema(operation_id="showChat", tags=["chats"], responses=envelope("ChatAnswer", s.ChatShape))
    def get(self, request: CompanyRequest, session_id: str, chat_id: str) -> Response:
        """One chat."""
        chat = chats.find_chat(chats.readable_session(session_id, request.actor), chat_id)
        return ok(_chat(chat, session_id, request))

    @extend_schema(
        operation_id="changeChat", tags=["chats"], request=s.ChatChange,
        responses=envelope("ChangedChatAnswer", s.ChatShape),
    )  # fmt: skip
    def patch(self, request: CompanyRequest, session_id: str, chat_id: str) -> Response:
        """Archive it, give it a name, hand it to somebody; for those who may manage chats."""
        asked = s.ChatChange(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        change = ChatChange(data.get("isArchived"), data.get("chatName"), data.get("assigneeId"))
        chat = change_chat(
            company=request.company, session_id=session_id, chat_id=chat_id, change=change, by=request.actor
        )
        return ok(_chat(chat, session_id, request))


class MessagesView(CompanyAPIView):
    @extend_schema(
        operation_id="listMessages", tags=["chats"], parameters=[s.PageQuery],
        responses=envelope("MessagesAnswer", s.MessagesShape),
    )  # fmt: skip
    def get(self, request: CompanyRequest, session_id: str, chat_id: str) -> Response:
        """The chat's messages: page 1 is the newest, oldest first inside. A manager who reads has read."""
        asked = s.PageQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        chat, rows, page = chats.list_messages(
            company=request.company,
            session_id=session_id,
            chat_id=chat_id,
            by=request.actor,
            number=data["page"],
            limit=data["limit"],
        )
        own = chat.account.phone_number
        reactions, company_id = reactions_to(rows), request.company.pk
        listed = [
            shapes.message(row, session_id, company_id, own, reactions.get(row.pk, []), media_of(row)) for row in rows
        ]
        return ok({"chat": _chat(chat, session_id, request), "messages": listed, "pagination": page.shape})

    @extend_schema(
        operation_id="sendMessage", tags=["messages"], request=s.OutgoingText, parameters=[REPEATABLE],
        responses=envelope("PostedAnswer", s.QueuedShape),
    )  # fmt: skip
    @repeatable
    def post(self, request: CompanyRequest, session_id: str, chat_id: str) -> Response:
        """The same as `…/send`, at the address of the older documentation."""
        return _send(request, session_id, chat_id)


class SendView(CompanyAPIView):
    @extend_schema(
        operation_id="sendToChat", tags=["messages"], request=s.OutgoingText, parameters=[REPEATABLE],
        responses=envelope("SentAnswer", s.QueuedShape),
    )  # fmt: skip
    @repeatable
    def post(self, request: CompanyRequest, session_id: str, chat_id: str) -> Response:
        """Send a text to a chat. It is queued at once; follow its status live or by GET."""
        return _send(request, session_id, chat_id)


def _send(request: CompanyRequest, session_id: str, chat_id: str) -> Response:
    asked = s.OutgoingText(data=request.data)
    asked.is_valid(raise_exception=True)
    data = asked.validated_data
    row = outbound.queue_text(
        company=request.company,
        session_id=session_id,
        chat_id=chat_id,
        text=data["message"],
        by=request.actor,
        delivery=asked.delivery(data),
    )
    return ok(_queued(row), message=gettext(SENT))


class SendToNumberView(CompanyAPIView):
    @extend_schema(
        operation_id="sendToNumber", tags=["messages"], request=s.TextToNumber, parameters=[REPEATABLE],
        responses={202: envelope("SentToNumberAnswer", s.QueuedShape)},
    )  # fmt: skip
    @repeatable
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Send a text to a phone number; its chat is made if there is none."""
        asked = s.TextToNumber(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        row = outbound.queue_text(
            company=request.company,
            session_id=session_id,
            phone=data["phone"],
            text=data["message"],
            by=request.actor,
            delivery=asked.delivery(data),
        )
        return ok(_queued(row), status=202)


class BatchView(CompanyAPIView):
    @extend_schema(
        operation_id="sendBatch", tags=["messages"], request=s.TextBatch, parameters=[REPEATABLE],
        responses={202: envelope("BatchAnswer", s.BatchShape)},
    )  # fmt: skip
    @repeatable
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Send up to 100 texts, to numbers and to chats. What is wrong with one of them keeps no other from leaving."""
        asked = s.TextBatch(data=request.data)
        asked.is_valid(raise_exception=True)
        texts = [
            outbound.Text(each["message"], each["chatId"], each["phone"], s.OutgoingText.delivery(each))
            for each in asked.validated_data["messages"]
        ]
        rows = outbound.queue_texts(company=request.company, session_id=session_id, texts=texts, by=request.actor)
        results = [_refused(row) if isinstance(row, WharfError) else _queued(row) for row in rows]
        queued = sum(isinstance(row, Message) for row in rows)
        return ok({"results": results, "queued": queued, "refused": len(rows) - queued}, status=202)


def _refused(error: WharfError) -> shapes.Shape:
    told = body(error)
    return {"code": told["code"], "message": told["message"]}


def _queued(row: Message) -> shapes.Shape:
    return {"id": row.pk, "chatId": row.chat_id, "status": row.status}


class MessageView(CompanyAPIView):
    @extend_schema(
        operation_id="showMessage", tags=["messages"], responses=envelope("MessageAnswer", s.HeldMessageShape)
    )
    def get(self, request: CompanyRequest, session_id: str, message_id: str) -> Response:
        """One message with how far it has come."""
        row = outbound.find_message(message_id, session_id=session_id, by=request.actor)
        own, reactions = row.account.phone_number, reactions_to([row]).get(row.pk, [])
        shape = shapes.message(row, session_id, request.company.pk, own, reactions, media_of(row))
        wait = queue.wait_for(company=request.company, row=row)
        told = held(wait) if wait else {"heldReason": None, "heldText": ""}
        return ok(shape | told | {"errorText": problem_text(row.error_code)})


class PreviewView(CompanyAPIView):
    content_negotiation_class = AskedForPicture

    @extend_schema(operation_id="showPreview", tags=["messages"], responses={(200, "image/jpeg"): OpenApiTypes.BINARY})
    def get(self, request: CompanyRequest, session_id: str, message_id: str) -> HttpResponse:
        """The small picture that came with a message (`media.hasPreview`), a JPEG of some kB; it never changes."""
        return jpeg_answer(chats.preview(session_id=session_id, message_id=message_id, by=request.actor))


class ReactionView(CompanyAPIView):
    @extend_schema(
        operation_id="reactToMessage", tags=["messages"], request=s.OutgoingReaction,
        responses={202: envelope("ReactedAnswer", s.ReactedShape)},
    )  # fmt: skip
    def post(self, request: CompanyRequest, session_id: str, message_id: str) -> Response:
        """Put an emoji on a message in place of what was put there before, or take it back."""
        asked = s.OutgoingReaction(data=request.data)
        asked.is_valid(raise_exception=True)
        row = reacting.react(
            company=request.company,
            session_id=session_id,
            message_id=message_id,
            emoji=asked.validated_data["emoji"],
            by=request.actor,
        )
        return ok({"id": message_id, "chatId": row.chat_id, **shapes.reacted(row)}, status=202)


class TypingView(CompanyAPIView):
    @extend_schema(operation_id="showTyping", tags=["chats"], request=s.Typing, responses=envelope("TypingAnswer"))
    def post(self, request: CompanyRequest, session_id: str, chat_id: str) -> Response:
        """Tell the other side that somebody writes, or has stopped; again every few seconds for as long as they do."""
        asked = s.Typing(data=request.data)
        asked.is_valid(raise_exception=True)
        is_typing = asked.validated_data["typing"]
        typing.show(session_id=session_id, chat_id=chat_id, is_typing=is_typing, by=request.actor)
        return ok()


class WatchingView(CompanyAPIView):
    @extend_schema(operation_id="watchChat", tags=["chats"], request=None, responses=envelope("WatchingAnswer"))
    def post(self, request: CompanyRequest, session_id: str, chat_id: str) -> Response:
        """Somebody looks at the chat: for some twenty seconds `chat.typing` tells who writes to the number."""
        typing.look(session_id=session_id, chat_id=chat_id, by=request.actor)
        return ok()


class ReadView(CompanyAPIView):
    @extend_schema(operation_id="markRead", tags=["chats"], request=None, responses=envelope("ReadAnswer", s.ReadShape))
    def post(self, request: CompanyRequest, session_id: str, chat_id: str) -> Response:
        """Mark the chat's messages as read."""
        marked, chat = chats.mark_read(
            company=request.company, session_id=session_id, chat_id=chat_id, by=request.actor
        )
        shown = _chat(chat, session_id, request) | {"_count": {"messages": chat.messages.count()}}
        return ok({"markedCount": marked, "chat": shown}, message=gettext(MARKED if marked else NOTHING_UNREAD))
