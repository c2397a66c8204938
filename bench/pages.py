"""`python -m bench.pages`: how long pages take and what they weigh, with 10 000 chats and 100 000 messages.

The whole product runs; a number is linked to a phone of the sandbox, and the rows are written as if they had come over
a month. Each page is asked for over HTTP by somebody who is logged in, one request after the other.
"""

import json
import logging
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import django
import httpx

from tests.product import Product, Running

CHATS, MESSAGES, ASKED = 10_000, 100_000, 30
AIM_MILLISECONDS: Final = 200
TOKEN: Final = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


def linked_number(product: Product) -> str:
    """The id of a session that the demo company's admin has linked."""
    admin = product.person(**product.demo["admin"])
    with admin.watching() as screen:
        screen.hears("snapshot")
        session_id = admin.creates_a_session("Front desk")
        product.phone("79990000100", "Shop").scans(screen.qr(session_id))
        screen.shows(session_id, "connected")
    return session_id


def fill(product: Product, session_id: str) -> str:
    """Write the rows; the id of the chat that has most of them."""
    os.environ |= json.loads((product.folder / "var" / "environment.json").read_text())
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from fleet.models import Placement
    from tenants.context import run_in, run_in_public

    company = run_in_public(Placement.objects.select_related("company").get, pk=session_id).company
    return str(run_in(company, _fill, session_id))


def _fill(session_id: str) -> str:
    from django.db import connection

    from whatsapp.models import Chat, Contact, Message, Session

    account = Session.objects.select_related("account").get(pk=session_id).account
    assert account is not None
    people = [
        Contact(account=account, phone_number=f"7888{number:07}", push_name=f"Guest {number}")
        for number in range(CHATS)
    ]
    Contact.objects.bulk_create(people, batch_size=2_000)
    chats = [Chat(account=account, contact=person) for person in people]
    messages = list(_said(account, chats))
    for chat, message in zip(chats, messages, strict=False):
        chat.last_message_at, chat.last_message_text, chat.unread_count = message.timestamp, message.body, 1
    Chat.objects.bulk_create(chats, batch_size=2_000)
    Message.objects.bulk_create(messages, batch_size=2_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return str(chats[0].pk)


def _said(account: Any, chats: list[Any]) -> Iterator[Any]:
    """A first word in each chat, a long talk in the first one, and the rest anywhere, over a month."""
    from django.utils import timezone

    from whatsapp.models import Message, MessageStatus

    dice, now = random.Random(1), timezone.now()  # noqa: S311  # no secret
    for number in range(MESSAGES):
        chat = chats[number] if number < CHATS else chats[0] if number % 5 == 0 else dice.choice(chats)
        at, from_me = now - timedelta(seconds=dice.randint(1, 30 * 86_400)), number >= CHATS and dice.random() < 0.4
        yield Message(
            account=account,
            chat=chat,
            from_me=from_me,
            sender=None if from_me else chat.contact,
            body=f"Is the terrace open at {number % 24} o'clock?",
            status=MessageStatus.READ if from_me else MessageStatus.RECEIVED,
            is_read=number >= CHATS,
            wa_id=f"PAGES{number}",
            timestamp=at.replace(microsecond=0),
            created_at=at,
        )


def logged_in(product: Product) -> httpx.Client:
    client = httpx.Client(base_url=product.url, timeout=60, trust_env=False, headers={"Accept-Language": "en"})
    token = TOKEN.search(client.get("/login").text)
    assert token is not None
    answer = client.post(
        "/login", data={**product.demo["admin"], "csrfmiddlewaretoken": token[1]}, headers={"Referer": product.url}
    )
    assert answer.status_code == 302, answer.text
    return client


def timed(client: httpx.Client, path: str) -> tuple[float, float, float, float]:
    """(milliseconds of the first request, of the median, of the slowest but one in twenty, kB without compression)"""
    seconds = []
    for _ in range(ASKED):
        began = time.perf_counter()
        answer = client.get(path)
        seconds.append(time.perf_counter() - began)
        assert answer.status_code == 200, (path, answer.status_code)
    rest = sorted(seconds[1:])
    kilobytes = len(answer.content) / 1_000
    return seconds[0] * 1_000, statistics.median(rest) * 1_000, rest[int(len(rest) * 0.95)] * 1_000, kilobytes


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as folder, Running(Path(folder)) as product:
        session_id = linked_number(product)
        chat_id = fill(product, session_id)
        client, here = logged_in(product), f"/sessions/{session_id}"
        pages = {
            "numbers": "/", "overview": "/overview", "a number": here, "link": f"{here}/link", "chats": f"{here}/chats",
            "chats, searched": f"{here}/chats?q=Guest+77", "a conversation": f"{here}/chats/{chat_id}",
            "queue": f"{here}/queue", "people": "/people", "webhooks": "/webhooks", "events": "/events",
            "keys": "/keys", "audit": "/audit", "settings": "/settings",
        }  # fmt: skip
        print("| page | first | median | 95 % | HTML |\n| --- | --- | --- | --- | --- |")
        slow = []
        for name, path in pages.items():
            first, median, most, kilobytes = timed(client, path)
            slow += [name] if most > AIM_MILLISECONDS else []
            print(f"| {name} | {first:.0f} ms | {median:.0f} ms | {most:.0f} ms | {kilobytes:.0f} kB |", flush=True)
        print(f"\nslower than {AIM_MILLISECONDS} ms: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
