"""Reading and answering: the list of chats, a conversation, and sending."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Role
from accounts.pages import PageRequest
from accounts.permissions import Permission
from wharf.pictures import jpeg_answer
from whatsapp.errors import MessageNotFound, SendingDenied
from whatsapp.models import Chat, Media, Message, MessageStatus, Reaction, ReactionStatus
from whatsapp.pages.base import do, number, page, show, wants_json
from whatsapp.pages.cards import card_of
from whatsapp.pages.media import Brought, brought_by, in_a_list, words_of
from whatsapp.pages.words import instead_of_text, mark_of
from whatsapp.services import access, chats, outbound, reacting, typing
from whatsapp.services.chats import ChatFilter
from whatsapp.services.media import media_of
from whatsapp.services.reactions import reactions_to
from whatsapp.services.refusals import problem_text

#: Rows that a conversation or a list starts with, and grows by.
STEP: Final = 50
BUBBLE: Final = "pages/parts/bubble.html"
_NEVER_LEFT: Final = (MessageStatus.QUEUED, MessageStatus.CANCELLED, MessageStatus.FAILED)
PARTS: Final = {"list": "pages/parts/chat_list.html", "status": "pages/parts/chat_status.html"}

#: Which chats the list has, beside all that are not archived.
SHOWN: Final = ("unread", "archived")

form = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True)
class Bubble:
    """A message as a conversation shows it."""

    id: str
    is_ours: bool
    who: str
    text: str
    instead: str
    brought: Brought | None
    at: datetime
    status: str
    mark: str
    mark_text: str
    problem: str
    detail: str
    reactions: list["Put"]
    #: Where a reaction is chosen; empty for who may not, and while WhatsApp does not have the message.
    react: str


@dataclass(frozen=True)
class Put:
    """A reaction: who put it, and in what state it is if that was somebody here (`wait`, `bad` or nothing to say)."""

    emoji: str
    name: str
    tone: str = ""
    state: str = ""


def bubbles_of(
    rows: list[Message], session_id: str, *, in_group: bool = False, may_write: bool = False
) -> list[Bubble]:
    """`session_id` is where they are read."""
    reactions = reactions_to(rows)
    return [
        bubble_of(row, session_id, reactions.get(row.pk, ()), media_of(row), in_group=in_group, may_write=may_write)
        for row in rows
    ]


def bubble_of(
    row: Message,
    session_id: str,
    reactions: Iterable[Reaction] = (),
    media: Media | None = None,
    *,
    in_group: bool = False,
    may_write: bool = False,
) -> Bubble:
    """Needs the sender and the writer selected."""
    mark, mark_text = mark_of(row.status) if row.from_me else ("", "")
    instead = instead_of_text(row)
    place = [session_id, row.chat_id, row.pk]
    brought = None if instead else brought_by(row, media, reverse("preview", args=place))
    return Bubble(
        id=row.pk,
        is_ours=row.from_me,
        who=_who(row, in_group),
        text=words_of(row, brought),
        instead=instead,
        brought=brought,
        at=row.timestamp,
        status=row.status,
        mark=mark,
        mark_text=mark_text,
        problem=problem_text(row.error_code) if row.from_me else "",
        detail=row.error_detail if row.from_me else "",
        reactions=[_put(each) for each in reactions],
        react=reverse("reaction", args=place) if may_write and row.wa_id else "",
    )


def _put(row: Reaction) -> Put:
    if row.contact:
        return Put(row.emoji, row.contact.label)
    if row.is_under_way:
        return Put(row.emoji, gettext("You"), "wait", gettext("Waiting to be sent"))
    if row.status == ReactionStatus.FAILED:
        return Put(row.emoji, gettext("You"), "bad", gettext("WhatsApp did not take the change of this reaction"))
    return Put(row.emoji, gettext("You"))


def _may_write(request: PageRequest, session_id: str) -> bool:
    return Permission.CHAT_WRITE in access.permissions_on(session_id, request.caller.actor)


def _who(row: Message, in_group: bool) -> str:
    """Who of us wrote it; of contacts only in a group, where it is not plain from the chat."""
    if row.sent_by:
        return str(row.sent_by.full_name)
    if row.from_me:
        return gettext("On the phone") if _is_from_phone(row) else ""
    return row.sender.label if row.sender and in_group else ""


def _is_from_phone(row: Message) -> bool:
    """What leaves through us waits in the queue first, and gets a secret on its way out of it."""
    return row.secret is None and row.status not in _NEVER_LEFT


# -- the list --------------------------------------------------------------------------------------------------------
@require_safe
@page
def overview(request: PageRequest, session_id: str) -> HttpResponse:
    context = _around(request, session_id)
    return show(request, "pages/chats.html", context, parts=PARTS)


def _around(request: PageRequest, session_id: str) -> dict[str, Any]:
    """What stands beside every conversation of the session: how it is connected, and its chats."""
    by = request.caller.actor
    session = chats.readable_session(session_id, by)
    may = access.permissions_on(session_id, by)
    return {
        "card": card_of(session, may),
        "may_write": Permission.CHAT_WRITE in may,
        "marks_read": by.role == Role.MANAGER,
        **_listed(request, session_id),
    }


def _listed(request: PageRequest, session_id: str) -> dict[str, Any]:
    search, steps = request.GET.get("q", "").strip()[:80], number(request, "more", most=chats.MAX_LIMIT // STEP)
    shown = request.GET.get("show", "")
    shown = shown if shown in SHOWN else ""
    rows, whole = chats.list_chats(
        session_id=session_id,
        by=request.caller.actor,
        limit=STEP * steps,
        chat_filter=ChatFilter(
            include_groups=True,
            chat_type="all",
            search=search,
            archived=shown == "archived",
            unread=shown == "unread",
        ),
    )
    more = steps + 1 if whole.total > whole.limit and whole.limit < chats.MAX_LIMIT else 0
    query = QueryDict(mutable=True)
    query.update({name: value for name, value in (("show", shown), ("q", search)) if value})
    listed = {"rows": _lines_of([row for row, _ in rows]), "search": search, "shown": shown, "more": more}
    return {**listed, "query": query.urlencode()}


@dataclass(frozen=True)
class Line:
    """A chat in the list; `icon` tells what kind its last message is, if that is not text."""

    chat: Chat
    icon: str
    last: str


def _lines_of(rows: list[Chat]) -> list[Line]:
    brought = chats.last_brought(rows)
    return [_line(row, brought.get(row.pk)) for row in rows]


def _line(row: Chat, last: Message | None) -> Line:
    if last is None:
        return Line(row, "", row.last_message_text)
    return Line(row, *in_a_list(last.kind, last.body, media_of(last)))


# -- a conversation --------------------------------------------------------------------------------------------------
@require_safe
@page
def conversation(request: PageRequest, session_id: str, chat_id: str) -> HttpResponse:
    """Page 1 is the newest. A manager who opens it has read it, as the service says."""
    caller, at = request.caller, number(request, "page", most=100_000)
    chat, rows, whole = chats.list_messages(
        company=caller.company, session_id=session_id, chat_id=chat_id, by=caller.actor, number=at, limit=STEP
    )
    context: dict[str, Any] = {
        "chat": chat,
        "session_id": session_id,
        "bubbles": bubbles_of(rows, session_id, in_group=chat.is_group, may_write=_may_write(request, session_id)),
        "older": at + 1 if at < whole.pages else 0,
        "newer": at - 1,
        "max_text": outbound.MAX_TEXT,
    }
    if request.GET.get("part") == "messages":
        return show(request, "", context, parts={"messages": "pages/parts/messages.html"})
    return show(request, "pages/conversation.html", {**_around(request, session_id), **context}, parts=PARTS)


@require_safe
@page
def message(request: PageRequest, session_id: str, chat_id: str, message_id: str) -> HttpResponse:
    """One bubble, for a script that heard of a change."""
    row = _message_in(request, session_id, chat_id, message_id)
    may_write = _may_write(request, session_id)
    bubble = bubbles_of([row], session_id, in_group=row.chat.is_group, may_write=may_write)[0]
    return render(request, BUBBLE, {"bubble": bubble})


@require_safe
@page
def preview(request: PageRequest, session_id: str, chat_id: str, message_id: str) -> HttpResponse:
    """The small picture that came with a message; kept by the reader's browser, for it never changes."""
    by = request.caller.actor
    return jpeg_answer(chats.preview(session_id=session_id, chat_id=chat_id, message_id=message_id, by=by))


def _message_in(request: PageRequest, session_id: str, chat_id: str, message_id: str) -> Message:
    by = request.caller.actor
    row = outbound.find_message(message_id, session_id=session_id, by=by)
    if row.chat_id != chats.find_chat(chats.readable_session(session_id, by), chat_id).pk:
        raise MessageNotFound
    return row


#: What is offered; any other emoji can be put from a phone or over the API.
EMOJI: Final = ("👍", "❤️", "😂", "😮", "😢", "🙏", "🎉", "✅")


@form
@page
def reaction(request: PageRequest, session_id: str, chat_id: str, message_id: str) -> HttpResponse:
    """Choose what to put on a message; scripts show it as a dialog."""
    caller = request.caller
    access.find_session(session_id, by=caller.actor, needs=Permission.CHAT_WRITE, denied=SendingDenied)
    row = _message_in(request, session_id, chat_id, message_id)

    def ask(error: str = "") -> HttpResponse:
        ours = next((each.emoji for each in reactions_to([row]).get(row.pk, []) if each.contact is None), "")
        offered = [ours, *EMOJI] if ours and ours not in EMOJI else EMOJI
        context = {"session_id": session_id, "row": row, "offered": offered, "ours": ours, "error": error}
        parts = {"form": "pages/parts/reaction.html"}
        return show(request, "pages/reaction.html", context, parts=parts, status=400 if error else 200)

    if request.method != "POST":
        return ask()
    emoji = request.POST.get("emoji", "")
    return do(
        request,
        lambda: reacting.react(
            company=caller.company, session_id=session_id, message_id=row.pk, emoji=emoji, by=caller.actor
        ),
        to=reverse("chat", args=[session_id, chat_id]),
        again=ask,
    )


# -- writing and marking ---------------------------------------------------------------------------------------------
@require_POST
@page
def send(request: PageRequest, session_id: str, chat_id: str) -> HttpResponse:
    """A script gets the bubble to put in the place of the one it has drawn already."""
    caller, here = request.caller, reverse("chat", args=[session_id, chat_id])
    text = request.POST.get("text", "")

    def deed() -> Message:
        return outbound.queue_text(
            company=caller.company, session_id=session_id, chat_id=chat_id, text=text, by=caller.actor
        )

    if wants_json(request):
        row = outbound.find_message(deed().pk, session_id=session_id, by=caller.actor)
        bubble = render_to_string(BUBBLE, {"bubble": bubble_of(row, session_id)}, request)
        return JsonResponse({"id": row.pk, "bubble": bubble})
    return do(request, deed, to=here, back=here)


@form
@page
def start(request: PageRequest, session_id: str) -> HttpResponse:
    """The first message to a number; its chat is where to go on."""
    caller = request.caller
    session = access.find_session(session_id, by=caller.actor, needs=Permission.CHAT_WRITE, denied=SendingDenied)
    phone, text = request.POST.get("phone", ""), request.POST.get("text", "")

    def ask(error: str = "") -> HttpResponse:
        context = {"session": session, "phone": phone, "text": text, "error": error, "max_text": outbound.MAX_TEXT}
        parts = {"form": "pages/parts/new_chat.html"}
        return show(request, "pages/new_chat.html", context, parts=parts, status=400 if error else 200)

    if request.method != "POST":
        return ask()
    return do(
        request,
        lambda: outbound.queue_text(
            company=caller.company, session_id=session_id, phone=phone, text=text, by=caller.actor
        ),
        to=lambda row: reverse("chat", args=[session_id, row.chat_id]),
        again=ask,
    )


@require_POST
@page
def read(request: PageRequest, session_id: str, chat_id: str) -> HttpResponse:
    caller = request.caller
    return do(
        request,
        lambda: chats.mark_read(company=caller.company, session_id=session_id, chat_id=chat_id, by=caller.actor),
        to=reverse("chat", args=[session_id, chat_id]),
    )


@require_POST
@page
def types(request: PageRequest, session_id: str, chat_id: str) -> HttpResponse:
    """A script says that its reader writes, or has stopped."""
    by, is_typing = request.caller.actor, request.POST.get("typing") == "true"
    return do(
        request,
        lambda: typing.show(session_id=session_id, chat_id=chat_id, is_typing=is_typing, by=by),
        to=reverse("chat", args=[session_id, chat_id]),
    )


@require_POST
@page
def watches(request: PageRequest, session_id: str, chat_id: str) -> HttpResponse:
    """A script says that its reader is looking."""
    by = request.caller.actor
    return do(
        request,
        lambda: typing.look(session_id=session_id, chat_id=chat_id, by=by),
        to=reverse("chat", args=[session_id, chat_id]),
    )
