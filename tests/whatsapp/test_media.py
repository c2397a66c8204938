"""What messages bring is stored with them, told with them, and costs messages that bring nothing nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.permissions import SYSTEM, Rights
from tests.conftest import ApiClients
from tests.jpegs import SMALL
from tests.people import Person
from tests.whatsapp.desk import (
    BILL,
    BOB_BY_LID,
    BOB_BY_NUMBER,
    EVE,
    PHOTO,
    VOICE,
    Desk,
    acknowledged,
    bringing,
    text,
    unreadable,
)
from whatsapp.engine.port import EngineEvent, Media
from whatsapp.models import Event, Message
from whatsapp.models import Media as Row
from whatsapp.services import access, outbound

pytestmark = pytest.mark.django_db

PIER = Media(title="Pier 4", address="Harbour Street 1", latitude=53.5, longitude=9.9)
NOTHING_SAID: dict[str, Any] = {
    "mimetype": None, "fileName": None, "size": None, "pages": None, "seconds": None, "width": None, "height": None,
    "isVoice": False, "isAnimated": False, "isViewOnce": False, "title": None, "description": None, "address": None,
    "latitude": None, "longitude": None, "lines": [], "hasPreview": False,
}  # fmt: skip
TOLD: list[tuple[str, Media, dict[str, Any]]] = [
    ("image", PHOTO, {"mimetype": "image/jpeg", "size": 81_000, "width": 1600, "height": 1200, "hasPreview": True}),
    ("document", BILL, {"mimetype": "application/pdf", "fileName": "bill.pdf", "size": 77_000, "pages": 3}),
    ("audio", VOICE, {"mimetype": "audio/ogg; codecs=opus", "size": 9_000, "seconds": 7, "isVoice": True}),
    (
        "location",
        PIER,
        {"title": "Pier 4", "address": "Harbour Street 1", "latitude": 53.5, "longitude": 9.9},
    ),
    ("poll", Media(lines=("Mon", "Tue")), {"lines": ["Mon", "Tue"]}),
]


def media_of_the_event(desk: Desk) -> Any:
    return Event.objects.get(kind="message.new").data["message"]["media"]


@pytest.mark.parametrize(("kind", "media", "told"), TOLD)
def test_what_a_message_brings_is_told_live_and_when_it_is_looked_up(
    desk: Desk, acme_admin: Person, api: ApiClients, kind: str, media: Media, told: dict[str, Any]
) -> None:
    desk.tell(bringing(media, kind, "Look"))

    client, row = api(acme_admin), Message.objects.get()
    base = f"/api/whatsapp/sessions/{desk.session_id}"
    listed = client.get(f"{base}/chats/{row.chat_id}/messages").json()["data"]["messages"]
    shown = client.get(f"{base}/messages/{row.pk}").json()["data"]

    assert media_of_the_event(desk) == listed[0]["media"] == shown["media"] == NOTHING_SAID | told
    assert (shown["messageType"], shown["body"], shown["mediaUrl"]) == (kind, "Look", None)


def test_a_text_brings_nothing(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    desk.tell(text("Hello"))

    row = Message.objects.get()
    shown = api(acme_admin).get(f"/api/whatsapp/sessions/{desk.session_id}/messages/{row.pk}").json()["data"]

    assert shown["media"] is media_of_the_event(desk) is None
    assert not Row.objects.exists()


def test_repeats_are_harmless_in_one_batch_and_in_many(desk: Desk) -> None:
    photo = bringing(PHOTO)

    desk.tell(photo, photo)
    desk.tell(photo)

    assert Row.objects.get().size == 81_000


def test_what_could_not_be_read_brings_its_media_when_it_comes_again(desk: Desk) -> None:
    desk.tell(unreadable("A"), unreadable("B"), bringing(PHOTO, wa_id="B"))
    desk.tell(bringing(BILL, "document", wa_id="A"))

    assert dict(Row.objects.values_list("message__wa_id", "file_name")) == {"A": "bill.pdf", "B": ""}


def test_two_chats_that_turn_out_to_be_one_keep_what_was_brought(desk: Desk) -> None:
    desk.tell(bringing(PHOTO, wa_id="A", peer=BOB_BY_NUMBER), bringing(BILL, "document", wa_id="B", peer=BOB_BY_LID))
    desk.tell(bringing(PHOTO, wa_id="C", peer=BOB_BY_NUMBER), bringing(PHOTO, wa_id="C", peer=BOB_BY_LID))

    desk.tell(text("It is me", peer=replace(BOB_BY_NUMBER, lid=BOB_BY_LID.lid)))

    assert Row.objects.filter(message__chat=desk.chat()).count() == Row.objects.count() == 3


def test_media_goes_with_its_message_whoever_deletes_that(desk: Desk) -> None:
    desk.tell(bringing(PHOTO), bringing(BILL, "document"))

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM whatsapp_message WHERE kind = 'image'")
    Message.objects.all().delete()

    assert not Row.objects.exists()


# -- cost ------------------------------------------------------------------------------------------------------------
def asked(desk: Desk, events: Sequence[EngineEvent]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        desk.tell(*events)
    return [query["sql"] for query in captured.captured_queries]


def test_a_batch_costs_one_statement_more_when_it_brings_anything_and_texts_cost_none(desk: Desk) -> None:
    desk.tell(text("Known"))

    plain = asked(desk, [text(f"Plain {number}") for number in range(20)])
    mixed = asked(desk, [bringing(PHOTO, body=f"Photo {number}") for number in range(20)])

    assert len(mixed) == len(plain) + 1
    assert not any("whatsapp_media" in sql for sql in plain)


def test_reading_a_conversation_reads_no_picture(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    desk.tell(bringing(PHOTO))

    with CaptureQueriesContext(connection) as captured:
        api(acme_admin).get(f"/api/whatsapp/sessions/{desk.session_id}/chats/{desk.chat().pk}/messages")

    looked_up = [query["sql"] for query in captured.captured_queries if "whatsapp_media" in query["sql"]]
    assert len(looked_up) == 1
    assert '"preview"' not in looked_up[0]


# -- previews --------------------------------------------------------------------------------------------------------
def preview_of(desk: Desk, row: Message) -> str:
    return f"/api/whatsapp/sessions/{desk.session_id}/messages/{row.pk}/preview"


@pytest.mark.parametrize("accept", ["*/*", "image/*", "application/json"])
def test_a_preview_is_a_picture_and_can_be_nothing_else(
    desk: Desk, acme_admin: Person, api: ApiClients, accept: str
) -> None:
    desk.tell(bringing(PHOTO))

    response = api(acme_admin).get(preview_of(desk, Message.objects.get()), headers={"Accept": accept})

    assert (response.status_code, response.content) == (200, SMALL)
    assert response["Content-Type"] == "image/jpeg"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cache-Control"] == "private, max-age=604800, immutable"


@pytest.mark.parametrize("accept", ["*/*", "image/*"])
def test_no_preview_and_no_message_are_told_apart(desk: Desk, acme_admin: Person, api: ApiClients, accept: str) -> None:
    desk.tell(bringing(BILL, "document"))
    here = preview_of(desk, Message.objects.get())

    answers = [
        api(acme_admin).get(each, headers={"Accept": accept})
        for each in (here, here.replace("/messages/", "/messages/x"))
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (404, "preview_not_found"),
        (404, "message_not_found"),
    ]


def test_who_may_read_the_chat_may_see_the_preview(desk: Desk, acme_manager: Person, api: ApiClients) -> None:
    desk.tell(bringing(PHOTO))
    here = preview_of(desk, Message.objects.get())
    before = api(acme_manager).get(here)
    given = {"session_id": desk.session_id, "manager_id": acme_manager.user.pk, "rights": Rights(can_read=True)}
    access.grant(company=desk.company, by=SYSTEM, **given)  # type: ignore[arg-type]

    assert (before.status_code, api(acme_manager).get(here).status_code) == (403, 200)


def test_a_text_that_another_device_saw_first_is_one_message_also_with_a_preview(desk: Desk) -> None:
    """The copy is deleted in SQL, and takes what it brought along."""
    message_id = desk.send("https://example.com")
    desk.tell(replace(text("https://example.com", wa_id="OUT", from_me=True), media=Media(title="Example")))

    desk.tell(acknowledged(message_id))

    assert Message.objects.get().pk == message_id
    assert outbound.find_message(message_id, session_id=desk.session_id, by=SYSTEM).wa_id == "OUT"
    assert not Row.objects.exists()


def test_links_of_several_people_stand_beside_their_texts(desk: Desk) -> None:
    desk.tell(
        replace(text("https://example.com"), media=Media(title="Example")),
        replace(text("https://example.org", peer=EVE), media=Media(title="Another")),
    )

    assert dict(Row.objects.values_list("message__body", "title")) == {
        "https://example.com": "Example",
        "https://example.org": "Another",
    }
