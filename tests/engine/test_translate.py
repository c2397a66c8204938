"""What neonize's event bytes mean, and that nothing a stranger can put into them leaves the translation unbounded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.events import (
    AT,
    BOB,
    BOB_LID,
    NOBODY,
    NOT_UTF8,
    e2e,
    group,
    jid,
    message,
    pb,
    receipt,
    receipt_of,
    received,
    source,
    undecryptable,
    unreadable,
)
from tests.engine.properties import STEADY
from whatsapp.engine import bounds, device_store, port
from whatsapp.engine import translate as t
from whatsapp.engine.ledger import Heard, Ignored

SHOP = "4915550000001"
PERSON = port.Person(BOB, BOB_LID, "Bob")


# -- messages --------------------------------------------------------------------------------------------------------
def test_a_text_tells_who_wrote_what_when() -> None:
    assert received(message()) == port.MessageReceived("3EB0AB", AT, False, "", PERSON, PERSON, "text", "Hello")


def test_number_and_hidden_identity_come_in_either_order() -> None:
    swapped = source(Chat=jid(BOB_LID, t.LID), Sender=jid(BOB_LID, t.LID, 7), SenderAlt=jid(device=7))

    assert received(message(where=swapped)).peer == PERSON


def test_the_peer_of_what_the_own_phone_sent_is_its_recipient() -> None:
    where = source(IsFromMe=True, Sender=jid(SHOP), SenderAlt=NOBODY, RecipientAlt=jid(BOB_LID, t.LID))

    event = received(message(where=where, Pushname="Shop"))

    assert (event.from_me, event.peer, event.sender.pn) == (True, port.Person(BOB, BOB_LID), SHOP)


def test_a_group_message_tells_the_group_and_its_sender() -> None:
    event = received(message(where=group()))

    assert (event.group, event.peer, event.sender) == ("1203630000@g.us", port.Person(), PERSON)


KINDS: dict[str, tuple[Any, str, str]] = {
    "extended": (e2e.Message(extendedTextMessage={"text": "With a link"}), "text", "With a link"),
    "image": (e2e.Message(imageMessage={"caption": "Look"}), "image", "Look"),
    "video": (e2e.Message(videoMessage={"caption": "Look"}), "video", "Look"),
    "round video": (e2e.Message(ptvMessage={}), "video", ""),
    "voice": (e2e.Message(audioMessage={"PTT": True}), "audio", ""),
    "document": (e2e.Message(documentMessage={"caption": "Bill"}), "document", "Bill"),
    "captioned document": (
        e2e.Message(documentWithCaptionMessage={"message": {"documentMessage": {"caption": "Bill"}}}),
        "document",
        "Bill",
    ),
    "sticker": (e2e.Message(stickerMessage={}), "sticker", ""),
    "contact": (e2e.Message(contactMessage={"displayName": "Eve"}), "contact", "Eve"),
    "contacts": (e2e.Message(contactsArrayMessage={"displayName": "2 contacts"}), "contact", "2 contacts"),
    "location": (e2e.Message(locationMessage={"name": "Pier"}), "location", "Pier"),
    "poll": (e2e.Message(pollCreationMessageV3={"name": "When?"}), "poll", "When?"),
    "unheard of": (e2e.Message(orderMessage={}), "other", ""),
    "with keys beside it": (
        e2e.Message(conversation="Hi", senderKeyDistributionMessage={}, messageContextInfo={}),
        "text",
        "Hi",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_message_has_its_name_and_its_words(name: str) -> None:
    content, kind, text = KINDS[name]

    event = received(message(content))

    assert (event.kind, event.text) == (kind, text)


def test_a_reaction_tells_what_it_is_about_and_is_no_message() -> None:
    payload = message(e2e.Message(reactionMessage={"key": {"ID": "3EB0TARGET", "fromMe": True}, "text": "👍"}))

    event = t.translate(t.MESSAGE, payload)

    assert event == port.ReactionReceived("3EB0TARGET", AT, False, "", PERSON, PERSON, "👍")


def test_a_strangers_reaction_fits_its_row() -> None:
    content = {"key": {"ID": "x" * 900}, "text": "\0" + "👍" * 900}

    event = t.translate(t.MESSAGE, message(e2e.Message(reactionMessage=content)))

    assert isinstance(event, port.ReactionReceived)
    assert (len(event.wa_id), len(event.emoji), "\0" in event.emoji) == (bounds.MAX_ID, bounds.MAX_EMOJI, False)


TYPES, STOPS = pb.ChatPresence.COMPOSING, pb.ChatPresence.PAUSED


@pytest.mark.parametrize(("state", "is_typing"), [(TYPES, True), (STOPS, False)])
def test_who_types_is_told_with_where(state: Any, is_typing: bool) -> None:
    event = t.translate(t.CHAT_PRESENCE, typing(state))

    assert event == port.TypingSeen("", port.Person(BOB, BOB_LID), port.Person(BOB, BOB_LID), is_typing)


@pytest.mark.parametrize("where", [source(IsFromMe=True), source(Chat=jid("120363", "newsletter"))])
def test_nobodys_typing_is_no_news(where: Any) -> None:
    assert t.translate(t.CHAT_PRESENCE, typing(TYPES, where)) is None


def typing(state: Any, where: Any = None) -> bytes:
    return bytes(pb.ChatPresence(MessageSource=where or source(), State=state, Media=1).SerializePartialToString())


NOT_SAID: dict[str, bytes] = {
    "protocol": message(e2e.Message(protocolMessage={})),
    "reaction to nothing": message(e2e.Message(reactionMessage={"text": "+"})),
    "poll vote": message(e2e.Message(pollUpdateMessage={})),
    "keys only": message(e2e.Message(senderKeyDistributionMessage={})),
    "nothing": message(e2e.Message(messageContextInfo={})),
    "peer": message(Category="peer"),
    "edit": message(edit=True),
    "status": message(where=source(Chat=jid("status", t.BROADCAST))),
    "own status": message(where=source(Chat=jid("status", t.BROADCAST), IsFromMe=True)),
    "own broadcast list": message(where=source(Chat=jid("1700000000", t.BROADCAST), IsFromMe=True)),
    "channel": message(where=source(Chat=jid("120363", "newsletter"))),
    "bot": message(where=source(Chat=jid("867051314767696", "bot"), Sender=jid("867051314767696", "bot"))),
}


@pytest.mark.parametrize("name", NOT_SAID)
def test_what_nobody_said_in_a_chat_is_no_message(name: str) -> None:
    assert t.translate(t.MESSAGE, NOT_SAID[name]) is None


def test_what_a_contact_sends_to_a_broadcast_list_is_in_their_own_chat() -> None:
    event = received(message(where=source(Chat=jid("1700000000", t.BROADCAST))))

    assert (event.group, event.peer) == ("", PERSON)


def test_an_undecryptable_message_says_whose_it_is() -> None:
    theirs, ours = unreadable(undecryptable()), unreadable(undecryptable(source(IsFromMe=True)))

    assert theirs == port.MessageUnreadable("3EB0AB", AT, "", PERSON, PERSON)
    assert ours.from_me
    assert t.translate(t.UNDECRYPTABLE, undecryptable(Category="peer")) is None
    assert t.translate(t.UNDECRYPTABLE, undecryptable(source(Chat=jid("status", t.BROADCAST)))) is None


# -- receipts --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("number", "kind", "own"),
    [
        (1, port.ReceiptKind.DELIVERED, False),
        (9, port.ReceiptKind.DELIVERED, False),
        (4, port.ReceiptKind.READ, False),
        (6, port.ReceiptKind.PLAYED, False),
        (5, port.ReceiptKind.READ, True),
        (7, port.ReceiptKind.READ, True),
    ],
)
def test_a_receipt_says_how_far_and_by_whom(number: int, kind: port.ReceiptKind, own: bool) -> None:
    event = receipt_of(receipt("A", "B", kind=number))

    assert event == port.ReceiptReceived(("A", "B"), kind, float(AT), "", port.Person(BOB, BOB_LID), from_me=own)


@pytest.mark.parametrize("number", [2, 3, 8, 10, 11])
def test_receipts_between_devices_say_nothing(number: int) -> None:
    assert t.translate(t.RECEIPT, receipt("A", kind=number)) is None


def test_who_looked_at_a_status_is_not_reported() -> None:
    assert t.translate(t.RECEIPT, receipt("A", where=source(Chat=jid("status", t.BROADCAST)))) is None


# -- connections -----------------------------------------------------------------------------------------------------
CONNECTIONS: list[tuple[int, Any, port.EngineEvent]] = [
    (t.KEEPALIVE_TIMEOUT, pb.KeepAliveTimeout(ErrorCount=1, LastSuccess=1), port.Doubtful()),
    (t.KEEPALIVE_RESTORED, pb.KeepAliveRestored(), port.Alive()),
    (t.DISCONNECTED, pb.Disconnected(status=True), port.ConnectionLost()),
    (t.STREAM_REPLACED, pb.StreamReplaced(), port.Ended(port.Ending.STREAM_REPLACED)),
    (t.CLIENT_OUTDATED, pb.ClientOutdated(), port.Ended(port.Ending.CLIENT_OUTDATED)),
    (t.LOGGED_OUT, pb.LoggedOut(OnConnect=True, Reason=1), port.Ended(port.Ending.LOGGED_OUT)),
    (t.LOGGED_OUT, pb.LoggedOut(OnConnect=True, Reason=4), port.Ended(port.Ending.MAIN_DEVICE_GONE)),
    (t.TEMPORARY_BAN, pb.TemporaryBan(Code=1, Expire=60), port.Ended(port.Ending.TEMPORARY_BAN, "1", 60.0)),
    (t.TEMPORARY_BAN, pb.TemporaryBan(Code=1, Expire=0), port.Ended(port.Ending.TEMPORARY_BAN, "1", None)),
    (t.CONNECT_FAILURE, pb.ConnectFailure(Reason=6, Message=""), port.Ended(port.Ending.CLIENT_OUTDATED)),
    (
        t.CONNECT_FAILURE,
        pb.ConnectFailure(Reason=1, Message="no\0"),
        port.Ended(port.Ending.CONNECT_FAILURE, "1 no\ufffd"),
    ),
    (
        t.PAIR_STATUS,
        pb.PairStatus(ID=jid(SHOP, device=3), Status=pb.PairStatus.SUCCESS, Platform="android", BusinessName="Shop"),
        port.Paired(f"{SHOP}:3@s.whatsapp.net", "android", "Shop"),
    ),
    (
        t.PAIR_STATUS,
        pb.PairStatus(ID=jid(SHOP), Status=pb.PairStatus.ERROR, Error="no"),
        port.Ended(port.Ending.PAIRING_ERROR, "no"),
    ),
]


@pytest.mark.parametrize(("code", "raw", "expected"), CONNECTIONS)
def test_each_event_of_a_connection_has_its_meaning(code: int, raw: Any, expected: port.EngineEvent) -> None:
    assert t.translate(code, raw.SerializePartialToString()) == expected


def test_every_event_that_is_asked_for_is_understood_or_known_to_the_host() -> None:
    understood = {code for code, _, _ in CONNECTIONS} | {t.MESSAGE, t.RECEIPT, t.UNDECRYPTABLE, *t.PASSING}

    assert set(t.SUBSCRIBED) - understood == {t.CONNECTED}
    assert t.translate(9999, b"") is None


def test_a_ban_without_end_in_sight_is_one_of_ten_years() -> None:
    raw = pb.TemporaryBan(Code=1, Expire=2**62).SerializePartialToString()

    event = t.translate(t.TEMPORARY_BAN, raw)

    assert isinstance(event, port.Ended)
    assert event.until_seconds == 10 * 365 * 24 * 3600


# -- strangers -------------------------------------------------------------------------------------------------------
def is_storable(text: str, limit: int) -> bool:
    return "\0" not in text and len(text) <= limit and bool(text.encode() or not text)


def check(event: port.MessageReceived | port.MessageUnreadable) -> None:
    for person in (event.peer, event.sender):
        assert is_storable(person.pn, 20), person
        assert is_storable(person.lid, 32), person
        assert is_storable(person.name, 120), person
    assert is_storable(event.wa_id, 64)
    assert is_storable(event.group, 64)
    assert 0 <= event.at <= 253_402_300_799


@STEADY
@given(
    user=st.text(max_size=90),
    server=st.sampled_from([t.PHONE, t.LID, t.GROUP, t.BROADCAST, "c.us", "hosted", "newsletter", ""]),
    other=st.sampled_from([t.PHONE, t.LID, "", "msgr"]),
    name=st.text(max_size=200),
    wa_id=st.text(max_size=100),
    at=st.integers(-(2**63), 2**63 - 1),
    text=st.text(),
    from_me=st.booleans(),
)
def test_nothing_that_a_stranger_chooses_leaves_the_bounds(
    user: str, server: str, other: str, name: str, wa_id: str, at: int, text: str, from_me: bool
) -> None:
    where = source(Chat=jid(user, server), Sender=jid(user, other), SenderAlt=jid(user[::-1], t.LID), IsFromMe=from_me)
    payload = message(e2e.Message(conversation=text), where, ID=wa_id, Pushname=name, Timestamp=at)

    event = t.translate(t.MESSAGE, payload)

    if event is not None:
        assert isinstance(event, port.MessageReceived)
        check(event)
        assert is_storable(event.text, bounds.MAX_TEXT)
        assert event.group or event.peer.pn or event.peer.lid


def broken_utf8(payload: bytes, *words: str) -> bytes:
    """`payload` with the bytes of these words made into something that is no text."""
    for word in words:
        noise = (NOT_UTF8 * len(word))[: len(word)]
        assert word.encode() in payload
        payload = payload.replace(word.encode(), noise)
    return payload


def test_bytes_that_are_no_text_become_text() -> None:
    payload = broken_utf8(message(e2e.Message(conversation="Hostile")), "Hostile", "Bob", "3EB0AB")

    event = received(payload)

    check(event)
    assert event.text == "\ufffd" * 7
    assert event.wa_id.startswith("x")


def test_a_text_that_is_too_long_is_cut_and_the_longest_of_whatsapp_is_not() -> None:
    longest, longer = "ы" * 65_536, "ы" * 70_000

    assert received(message(e2e.Message(conversation=longest))).text == longest
    assert received(message(e2e.Message(conversation=longer))).text == longest


def test_long_ids_stay_different_and_the_same_in_messages_and_receipts() -> None:
    one, two = "A" * 500 + "1", "A" * 500 + "2"

    ids = [received(message(ID=each)).wa_id for each in (one, two)]

    assert ids[0] != ids[1]
    assert receipt_of(receipt(one, two, kind=5)).wa_ids == tuple(ids)


def test_a_receipt_for_a_million_messages_is_cut() -> None:
    assert len(receipt_of(receipt(*["A"] * 5000)).wa_ids) == bounds.MAX_RECEIPTS


OLD = "failed to decrypt normal message: received message with old counter (index: 67, count: 60)"


def test_what_came_again_is_named_as_the_store_names_it() -> None:
    alone = t.ignored(f"Ignoring message 3AB6 from 99:3@lid: {OLD}")
    in_group = t.ignored(f"Ignoring message 3AB6 from 99@lid in 120363-1@g.us: {OLD}")

    assert alone == Ignored("3AB6", "99@lid", "99@lid")
    assert in_group == Ignored("3AB6", "120363-1@g.us", "99@lid")
    assert alone.name == device_store.message_name("99@lid", "99@lid", "3AB6")


@pytest.mark.parametrize(
    "line",
    [
        "Ignoring message 3AB6 from 99@lid: event was already processed",
        f"Ignoring message A from 11@lid: old counter from 99@lid: {OLD}",
        f"Ignoring message A from 11@lid in 12@g.us: old counter from 99@lid: {OLD}",
        "Websocket disconnected",
    ],
)
def test_other_lines_and_ids_that_pose_as_lines_are_left_alone(line: str) -> None:
    assert t.ignored(line) is None


def test_a_message_is_heard_of_by_the_name_that_the_store_gives_it() -> None:
    text = e2e.Message(conversation="hi")

    known = t.heard(t.MESSAGE, message(text, source(Chat=jid("120363", t.GROUP), Sender=jid(BOB_LID, t.LID, device=4))))

    assert known == Heard(device_store.message_name("120363@g.us", f"{BOB_LID}@lid", "3EB0AB"), AT)
    assert t.heard(t.MESSAGE, b"\xff no message") is None
    assert t.heard(t.RECEIPT, b"") is None
