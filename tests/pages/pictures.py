"""What `python -m tests.screenshots` runs: each page as a desktop and as a phone sees it, light and dark.

Over the real worker and the local WhatsApp, like the tests; no test itself, hence the name.
"""

import io
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final, cast

import pytest
from django.db.models import F
from django.utils import timezone
from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import Page, expect
from pytest_django import Settings

from accounts.models import User
from accounts.permissions import Rights
from accounts.services import api_keys
from fleet.reasons import Reason
from fleet.states import Happening, State
from sandbox.world.phone import Phone
from tests.browser import DESKTOP, PHONE, Browsers
from tests.people import Person
from tests.whatsapp.harbour import Harbour
from wharf.networks import parse_networks
from whatsapp.models import Chat, Contact, Message, MessageStatus, Session, Transition
from whatsapp.services import access, outbound, webhooks

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
LOOKS: Final = (
    ("desktop", DESKTOP, "light"),
    ("desktop", DESKTOP, "dark"),
    ("phone", PHONE, "light"),
    ("phone", PHONE, "dark"),
)
#: What fills its window, however much there is.
WINDOWS: Final = ("login", "chats", "conversation", "events", "audit", "office", "office-numbers")
TALK: Final = (
    ("in", "Good morning! Do you have a table for four on Saturday?"),
    ("out", "Good morning, yes: at seven or at half past eight. Which one suits you?"),
    ("in", "Half past eight is perfect.\nIs the terrace open?"),
    ("out", "It is, if the wind allows. I have put you down for the terrace."),
)
#: Said with a photo.
PHOTO: Final = "This is the view from there last year."


@pytest.mark.django_db(transaction=True)
def test_pictures(
    harbour: Harbour, browsers: Browsers, acme_admin: Person, acme_manager: Person, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("203.0.113.0/24")
    FOLDER.mkdir(parents=True, exist_ok=True)
    User.objects.filter(pk=acme_admin.user.pk).update(first_name="Anna", last_name="Berg")
    shop, guests = harbour.phone("Harbour Café"), [harbour.phone(name) for name in ("Bob", "Chen Wei", "Мария")]
    session_id = harbour.linked(shop, "Front desk")
    harbour.run(
        access.grant,
        company=harbour.company,
        session_id=session_id,
        manager_id=acme_manager.user.pk,
        rights=Rights(can_read=True, can_write=True),
        by=acme_admin.actor,
    )
    waiting = harbour.new_session("Back office")
    harbour.qr(waiting)
    chat_id = talk(harbour, session_id, shop, guests, acme_admin)
    harbour.run(spread_over_the_morning)
    hook, _ = harbour.run(
        webhooks.create,
        company=harbour.company,
        url="https://203.0.113.20/whatsapp",
        description="Customer database",
        by=acme_admin.actor,
    )
    api_keys.create(company=harbour.company, name="Customer database", by=acme_admin.actor)
    harbour.run(a_month_of_talk, session_id)
    harbour.run(a_day_of_states, session_id)
    unlinked = harbour.new_session("Terrace")
    pages = {
        "login": "/login",
        "overview": "/overview",
        "people": "/people",
        "person": f"/people/{acme_manager.user.pk}",
        "webhooks": "/webhooks",
        "webhook": f"/webhooks/{hook.pk}",
        "events": "/events",
        "keys": "/keys",
        "audit": "/audit",
        "settings": "/settings",
        "office": "/office/",
        "office-numbers": "/office/whatsapp/session/",
        "account": "/account",
        "invite": f"/sessions/{unlinked}/invite",
        "queue": f"/sessions/{session_id}/queue",
        "sessions": "/",
        "link": f"/sessions/{waiting}/link",
        "session": f"/sessions/{session_id}",
        "chats": f"/sessions/{session_id}/chats",
        "conversation": f"/sessions/{session_id}/chats/{chat_id}",
    }
    for device, size, scheme in LOOKS:
        page = browsers.logged_in(acme_admin, size=size, color_scheme=scheme, reduced_motion="reduce")
        for name, path in pages.items():
            picture(browsers, page, name, path, device=device, scheme=scheme, size=size)


def talk(harbour: Harbour, session_id: str, shop: Phone, guests: list[Phone], by: Person) -> str:
    """A short conversation with the first guest, and a word of each other one; returns the first one's chat."""
    first, *others = guests
    for direction, text in TALK:
        if direction == "in":
            harbour.wa.send_text(first, shop, text)
            harbour.received(text)
        else:
            harbour.becomes(answers(harbour, session_id, first, text, by), "delivered")
    harbour.wa.send_image(first, shop, evening(), PHOTO)
    harbour.received(PHOTO)
    harbour.wa.read(first, [message.id for message in first.inbox][:1])
    for guest, text in zip(others, ("Thank you, see you tomorrow", "Можно забронировать зал?"), strict=True):
        harbour.wa.send_text(guest, shop, text)
        harbour.received(text)
    return harbour.run(Chat.objects.get, contact__phone_number=first.number).pk


def evening() -> bytes:
    """A photo of a terrace by the water, as far as rectangles go."""
    photo, out = Image.linear_gradient("L").resize((1600, 1200)), io.BytesIO()
    sky = ImageOps.colorize(photo, "#27496d", "#f6b26b")
    draw = ImageDraw.Draw(sky)
    draw.ellipse((1050, 560, 1230, 740), fill="#ffe8b0")
    draw.rectangle((0, 700, 1600, 1200), fill="#1f5f73")
    draw.polygon([(380, 700), (520, 330), (520, 700)], fill="#f4efe6")
    draw.rectangle((340, 700, 600, 740), fill="#7a3e2b")
    draw.rectangle((0, 1010, 1600, 1200), fill="#8a5a3c")
    sky.save(out, "JPEG")
    return out.getvalue()


def a_month_of_talk(session_id: str) -> None:
    """Enough for the overview, in a chat that is in no other picture."""
    dice, now = Random(7), timezone.now()  # noqa: S311  # pictures
    session = Session.objects.select_related("account").get(pk=session_id)
    assert session.account is not None
    guest = Contact.objects.create(account=session.account, phone_number="4915550100999", push_name="Guest")
    chat = Chat.objects.create(account=session.account, contact=guest, is_archived=True)
    rows = []
    for day in range(30):
        for number in range(dice.randint(8, 70)):
            asked = now - timedelta(days=day, minutes=dice.randint(1, 600))
            rows.append(said(chat, asked, from_me=False, name=f"{day}-{number}"))
            if dice.random() < 0.75:
                answered = asked + timedelta(seconds=dice.choice((25, 40, 110, 200, 700, 2_500, 9_000)))
                rows.append(said(chat, min(answered, now), from_me=True, name=f"{day}-{number}"))
    Message.objects.bulk_create(rows)


def a_day_of_states(session_id: str) -> None:
    """Linked in the evening, and away for a quarter of an hour since."""
    now = timezone.now()
    Transition.objects.filter(session_id=session_id).update(at=F("at") - timedelta(hours=21))
    away = (Happening.CONNECTION_LOST, State.CONNECTED, State.CONNECTING, Reason.CONNECTION_LOST, timedelta(hours=6))
    back = (Happening.CONNECTED, State.CONNECTING, State.CONNECTED, Reason.NONE, timedelta(hours=5, minutes=45))
    for happening, before, after, reason, ago in (away, back):
        told = {"happening": happening, "before": before, "after": after, "reason": reason}
        row = Transition.objects.create(session_id=session_id, **told)
        Transition.objects.filter(pk=row.pk).update(at=now - ago)


def said(chat: Chat, at: datetime, *, from_me: bool, name: str) -> Message:
    status = MessageStatus.READ if from_me else MessageStatus.RECEIVED
    return Message(
        account=chat.account,
        chat=chat,
        from_me=from_me,
        body="…",
        is_read=True,
        status=status,
        wa_id=f"{name}-{from_me}",
        timestamp=at,
        created_at=at + timedelta(seconds=name.endswith("7") * 3),
    )


def answers(harbour: Harbour, session_id: str, to: Phone, text: str, by: Person) -> str:
    row = harbour.run(
        outbound.queue_text, company=harbour.company, session_id=session_id, text=text, phone=to.number, by=by.actor
    )
    return row.pk


def spread_over_the_morning() -> None:
    """Nobody talks as fast as a script."""
    rows = list(Message.objects.order_by("id"))
    for number, row in enumerate(reversed(rows)):
        row.timestamp = timezone.now() - timedelta(minutes=4 + 7 * number)
        row.is_read = "?" not in row.body or "terrace" in row.body
        row.save()
    for chat in Chat.objects.all():
        chat.last_message_at = max(row.timestamp for row in rows if row.chat_id == chat.pk)
        chat.unread_count = sum(row.chat_id == chat.pk and not row.is_read and not row.from_me for row in rows)
        chat.save()


def picture(
    browsers: Browsers,
    page: Page,
    name: str,
    path: str,
    *,
    device: str,
    scheme: str,
    size: tuple[int, int],
) -> None:
    shown = page if name != "login" else browsers.page(size=size, color_scheme=scheme)
    shown.goto(path)
    expect(shown.locator("main, #main").first).to_be_visible()
    for photo in shown.locator(".tile img").all():
        expect(photo).to_have_js_property("complete", True)
    file = FOLDER / f"{name}-{device}-{scheme}.png"
    shown.screenshot(path=file, full_page=name not in WINDOWS)
    in_few_colours(Image.open(file).convert("RGB")).save(file, optimize=True)


def in_few_colours(drawing: Image.Image) -> Image.Image:
    """A page has few, and what is flat keeps exactly its own: a mean of neighbours would make two of them one."""
    counted = sorted(drawing.getcolors(drawing.width * drawing.height) or (), reverse=True)
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for _count, colour in counted[:256] for value in cast(tuple[int, int, int], colour)])
    return drawing.quantize(palette=palette, dither=Image.Dither.NONE)
