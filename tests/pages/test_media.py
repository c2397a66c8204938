"""What messages bring is shown in a conversation and in the list of chats: a small picture, a name, facts in words."""

import re

import pytest

from tests.jpegs import SMALL
from tests.pages.conftest import Desk, at_browser
from tests.people import Person
from tests.whatsapp.desk import BILL, PHOTO, VOICE
from whatsapp.engine.port import Media, Preview
from whatsapp.models import MessageStatus
from whatsapp.pages import media as words

pytestmark = pytest.mark.django_db

SEEN = Preview(SMALL, 72, 54)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def conversation(desk: Desk, person: Person, language: str = "en") -> str:
    return at_browser(person, language).get(desk.at(f"/chats/{desk.chat.pk}")).content.decode()


def bubbles(desk: Desk, person: Person, language: str = "en") -> str:
    html = conversation(desk, person, language)
    return html[html.index('id="bubbles"') : html.index("</ol>", html.index('id="bubbles"'))]


CASES: dict[str, tuple[str, str, Media | None, list[str]]] = {
    "photo": ("image", "", PHOTO, ["Photo", "79.1 KB", "See it in full on the phone"]),
    "photo with words": ("image", "Look", PHOTO, ["Photo", "Look"]),
    "photo of before": ("image", "", None, ["Photo", "See it in full on the phone"]),
    "photo to be seen once": ("image", "", Media(is_once=True), ["Photo", "To be seen once"]),
    "video": ("video", "", Media(seconds=31, preview=SEEN), ["Video", "0:31"]),
    "voice": ("audio", "", VOICE, ["Voice message", "0:07", "Listen to it on the phone"]),
    "song": ("audio", "", Media(seconds=3723), ["Audio", "1:02:03"]),
    "document": (
        "document",
        "The bill",
        BILL,
        ["bill.pdf", "PDF · 3 pages · 75.2 KB", "Open it on the phone", "The bill"],
    ),
    "document named twice": ("document", "bill.pdf", BILL, ["bill.pdf"]),
    "document without a name": ("document", "", Media(mimetype="application/pdf"), ["Document", "PDF"]),
    "place": (
        "location",
        "Pier 4",
        Media(title="Pier 4", address="Harbour Street 1", latitude=53.54532, longitude=-9.96626),
        ["Pier 4", "Harbour Street 1", "53.54532, -9.96626"],
    ),
    "contact": ("contact", "Eve", Media(lines=("+49 1555 0000088",)), ["Eve", "+49 1555 0000088"]),
    "poll": ("poll", "When?", Media(lines=("Mon", "Tue")), ["When?", "Mon", "Tue", "Vote on the phone"]),
    "link": (
        "text",
        "https://example.com",
        Media(title="A shop", description="Bread", preview=SEEN),
        ["A shop", "Bread", "https://example.com"],
    ),
    "sticker": ("sticker", "", Media(size=5), ["Sticker"]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bubble_says_what_its_message_brings(desk: Desk, acme_admin: Person, name: str) -> None:
    kind, said, media, expected = CASES[name]
    desk.brings(media, kind, said)

    shown = bubbles(desk, acme_admin)

    assert [each for each in expected if each not in text_of(shown)] == []
    assert shown.count("<img") == (1 if media and media.preview else 0)
    # A name that is the text is said once.
    assert not said or shown.count(said) == 1


def test_facts_are_in_the_readers_language(desk: Desk, acme_admin: Person) -> None:
    desk.brings(Media(file_name="счёт.pdf", pages=5, size=77_000), "document")

    assert "PDF · 5 страниц · 75,2 КБ" in text_of(bubbles(desk, acme_admin, "ru"))


def test_a_picture_has_its_place_before_it_is_loaded(desk: Desk, acme_admin: Person) -> None:
    row = desk.brings(PHOTO)

    (tag,) = re.findall(r"<img[^>]*>", bubbles(desk, acme_admin))

    assert f'src="{desk.at(f"/chats/{desk.chat.pk}/messages/{row.pk}/preview")}"' in tag
    assert 'alt="Small preview of the photo"' in tag
    assert 'width="240" height="180"' in tag
    assert 'loading="lazy"' in tag


@pytest.mark.parametrize(
    ("own", "box"),
    [
        ((1600, 1200), (240, 180)),
        ((900, 1600), (158, 280)),
        ((1, 65_535), (96, 280)),
        ((65_535, 1), (240, 96)),
        ((1, 1), (240, 240)),
    ],
)
def test_a_box_fits_whatever_a_stranger_says_of_its_picture(own: tuple[int, int], box: tuple[int, int]) -> None:
    assert words.box(*own) == box


def test_a_preview_is_a_picture_that_the_browser_keeps_for_its_reader(desk: Desk, acme_admin: Person) -> None:
    row = desk.brings(PHOTO)

    response = at_browser(acme_admin).get(desk.at(f"/chats/{desk.chat.pk}/messages/{row.pk}/preview"))

    assert (response.status_code, response.content, response["Content-Type"]) == (200, SMALL, "image/jpeg")
    assert response["Cache-Control"] == "private, max-age=604800, immutable"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_preview_is_found_in_its_own_chat_alone(desk: Desk, acme_admin: Person) -> None:
    row, bare = desk.brings(PHOTO), desk.brings(BILL, "document")
    client = at_browser(acme_admin)

    for chat, message in (("x", row.pk), (desk.chat.pk, "x"), (desk.chat.pk, bare.pk)):
        assert client.get(desk.at(f"/chats/{chat}/messages/{message}/preview")).status_code == 404


def test_what_could_not_be_read_shows_no_media(desk: Desk, acme_admin: Person) -> None:
    desk.brings(PHOTO, status=MessageStatus.UNREADABLE)

    assert "<img" not in bubbles(desk, acme_admin)


def test_one_bubble_that_a_script_asks_for_is_the_same(desk: Desk, acme_admin: Person) -> None:
    row = desk.brings(BILL, "document", "The bill")

    alone = at_browser(acme_admin).get(desk.at(f"/chats/{desk.chat.pk}/messages/{row.pk}")).content.decode()

    assert alone.strip() in conversation(desk, acme_admin)


# -- the list of chats -----------------------------------------------------------------------------------------------
LISTED: list[tuple[str, str, Media | None, str]] = [
    ("image", "", PHOTO, "Photo"),
    ("image", "Look\nhere", PHOTO, "Photo: Look here"),
    ("image", "", None, "Photo"),
    ("audio", "", VOICE, "Voice message 0:07"),
    ("document", "", BILL, "bill.pdf"),
    ("document", "The bill", BILL, "bill.pdf: The bill"),
    ("document", "bill.pdf", BILL, "bill.pdf"),
    ("location", "Pier 4", Media(title="Pier 4"), "Location: Pier 4"),
    ("poll", "When?", Media(lines=("Mon",)), "Poll: When?"),
    ("text", "https://example.com", Media(title="A shop"), "https://example.com"),
]


@pytest.mark.parametrize(("kind", "said", "media", "listed"), LISTED)
def test_the_list_of_chats_says_what_came_last(
    desk: Desk, acme_admin: Person, kind: str, said: str, media: Media | None, listed: str
) -> None:
    desk.brings(media, kind, said)

    html = at_browser(acme_admin).get(desk.at("/chats?part=list")).content.decode()

    (last,) = re.findall(r'<span class="chat-last">(.*?)</span>', html)
    assert text_of(last) == listed


def test_a_text_after_a_picture_is_what_the_list_shows(desk: Desk, acme_admin: Person) -> None:
    desk.brings(PHOTO, text="Look")
    desk.says("And now?")

    html = at_browser(acme_admin).get(desk.at("/chats?part=list")).content.decode()

    assert "And now?" in html
    assert "Photo" not in html


def test_what_a_stranger_calls_a_file_is_text_and_no_page(desk: Desk, acme_admin: Person) -> None:
    name = '"><script>alert(1)</script>.pdf'
    desk.brings(Media(file_name=name, lines=("<b>",), mimetype='"><i>'), "document")

    for html in (bubbles(desk, acme_admin), at_browser(acme_admin).get(desk.at("/chats?part=list")).content.decode()):
        assert "<script>alert" not in html
        assert "&quot;&gt;&lt;script&gt;" in html
        assert "<b>" not in html
