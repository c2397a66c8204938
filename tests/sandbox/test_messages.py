"""Messages, receipts, groups and pictures between phones and linked devices: with the real neonize."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from sandbox.protocol.protos import e2e
from sandbox.world.companion import Companion
from sandbox.world.message import Message
from sandbox.world.phone import Phone
from tests.sandbox.conftest import Shop
from tests.sandbox.driver import until

Someone = Callable[..., Phone]


def last(phone: Phone) -> Message:
    return next(reversed(phone.messages.values()))


def own_device(shop: Shop) -> Companion:
    return shop.phone.companions[shop.device]


def test_a_sent_message_reaches_the_person_and_both_ticks_come_back(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")

    sent = shop.program.sends(bob.number, "olá", shop.client)

    assert [(m.id, m.text, m.sender) for m in bob.inbox] == [(sent, "olá", shop.phone.number)]
    shop.program.gets_receipt(sent, "DELIVERED", client=shop.client)
    shop.wa.read(bob, [sent])
    shop.program.gets_receipt(sent, "READ", client=shop.client)
    assert shop.phone.written[sent].status == "read"


def test_a_message_from_a_person_arrives_with_their_number(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")

    shop.wa.send_text(bob, shop.phone, "oi, sou Bob")

    source = shop.program.hears("oi, sou Bob", client=shop.client)["Info"]["MessageSource"]
    assert source["SenderAlt"]["User"] == bob.number
    assert not source["IsFromMe"]
    assert [m.text for m in shop.phone.inbox if m.sender == bob.number] == ["oi, sou Bob"]
    until(lambda: not own_device(shop).queue, "everything acknowledged")


def test_what_the_owner_writes_on_the_phone_is_mirrored_to_the_device(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")

    shop.wa.send_text(shop.phone, bob, "from my phone")

    source = shop.program.hears("from my phone", client=shop.client)["Info"]["MessageSource"]
    assert source["IsFromMe"]
    assert (source["Chat"]["User"], source["RecipientAlt"]["User"]) == (bob.owner.lid, bob.number)
    assert [m.text for m in bob.inbox] == ["from my phone"]


def test_what_one_device_writes_reaches_the_other_device_as_its_own(
    own_shop: Shop, someone: Someone, tmp_path: Path
) -> None:
    bob, second = someone("Bob"), f"{own_shop.client}-second"
    own_shop.program.starts(tmp_path / "second.db", second)
    own_shop.wa.scan(own_shop.phone, own_shop.program.qr(second))
    own_shop.program.connected(client=second)

    own_shop.program.sends(bob.number, "from the first", own_shop.client)

    source = own_shop.program.hears("from the first", client=second)["Info"]["MessageSource"]
    assert source["IsFromMe"]
    assert source["Chat"]["User"] == bob.owner.lid


def test_reading_on_the_phone_tells_the_writer_and_the_own_device(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")
    message_id = shop.wa.send_text(bob, shop.phone, "read me")
    shop.program.hears("read me", client=shop.client)

    shop.wa.read(shop.phone, [message_id])

    receipt = shop.program.gets_receipt(message_id, "READ", client=shop.client)
    assert receipt["MessageSource"]["IsFromMe"]
    assert bob.written[message_id].status == "read"
    assert shop.phone.received[bob.number, message_id].read


def test_reading_on_the_device_tells_the_writer_and_the_phone(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")
    message_id = shop.wa.send_text(bob, shop.phone, "read me too")
    shop.program.hears("read me too", client=shop.client)
    assert not shop.phone.received[bob.number, message_id].read

    shop.program.do("read", shop.client, chat=f"{bob.owner.lid}@lid", ids=[message_id])

    until(lambda: bob.written[message_id].status == "read", "the writer's ticks")
    assert shop.phone.received[bob.number, message_id].read


def test_two_linked_businesses_write_to_each_other(shop: Shop, someone: Someone, tmp_path: Path) -> None:
    other, client = someone("Other shop"), f"{shop.client}-other"
    shop.program.starts(tmp_path / "other.db", client)
    shop.wa.scan(other, shop.program.qr(client))
    shop.program.connected(client=client)

    there = shop.program.sends(other.number, "to you", shop.client)
    shop.program.hears("to you", client=client)
    shop.program.sends(shop.phone.number, "and back", client)
    shop.program.hears("and back", client=shop.client)

    shop.program.do("read", client, chat=f"{shop.phone.owner.lid}@lid", ids=[there])
    shop.program.gets_receipt(there, "READ", client=shop.client)
    assert [m.text for m in other.inbox] == ["to you"]


def test_a_picture_goes_both_ways(shop: Shop, someone: Someone) -> None:
    bob, picture = someone("Bob"), b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
    shop.wa.send_image(bob, shop.phone, picture, "look")
    message = shop.program.wait("Message", lambda e: "imageMessage" in e["data"]["Message"], client=shop.client)
    assert message["data"]["Message"]["imageMessage"]["caption"] == "look"

    kept = shop.phone.inbox[-1]

    assert (kept.kind, kept.text) == ("image", "look")
    assert bytes.fromhex(shop.program.do("download", shop.client, message=kept.body.hex())) == picture


def test_a_picture_that_was_uploaded_can_be_opened(shop: Shop, someone: Someone) -> None:
    bob, png = someone("Bob"), BytesIO()
    Image.new("RGB", (64, 64), "teal").save(png, "PNG")

    shop.program.do("send_image", shop.client, to=bob.number, image=png.getvalue().hex(), caption="teal")

    assert (bob.inbox[0].kind, bob.inbox[0].text) == ("image", "teal")
    assert shop.wa.open_image(bob.inbox[0].proto) == png.getvalue()


def test_a_group_speaks_in_both_directions(shop: Shop, someone: Someone) -> None:
    bob, eve = someone("Bob"), someone("Eve")
    group = shop.wa.group("Friends", bob, shop.phone, eve)
    joined = shop.program.do("get_joined_groups", shop.client)
    assert "Friends" in [found["GroupName"]["Name"] for found in joined]

    shop.wa.send_group_text(bob, group, "hello all")
    heard = shop.program.hears("hello all", client=shop.client)["Info"]["MessageSource"]
    sent = shop.program.sends(group.jid, "hello Bob", shop.client)

    assert (heard["IsGroup"], heard["SenderAlt"]["User"]) == (True, bob.number)
    assert [[m.text for m in phone.inbox] for phone in (bob, eve)] == [["hello Bob"], ["hello all", "hello Bob"]]
    assert bob.inbox[0].group == group.jid
    shop.program.gets_receipt(sent, "DELIVERED", client=shop.client)


def test_messages_wait_for_a_device_that_is_away(shop: Shop, someone: Someone) -> None:
    bob, before = someone("Bob"), shop.program.now
    shop.wa.faults.refuse_tcp = True
    shop.wa.drop(shop.phone)
    until(lambda: not own_device(shop).is_online, "the device away")

    for i in range(3):
        shop.wa.send_text(bob, shop.phone, f"while you were out {i}")
    shop.wa.faults.refuse_tcp = False

    for i in range(3):
        shop.program.hears(f"while you were out {i}", since=before, client=shop.client)
    until(lambda: not own_device(shop).queue, "everything acknowledged")


def test_a_message_that_was_not_acknowledged_comes_again(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")
    for turn in range(2):  # cut at once after each: some are lost on the way and must come again
        for i in range(20):
            shop.wa.send_text(bob, shop.phone, f"{turn}-{i}")
        shop.wa.drop(shop.phone)

    shop.program.hears("1-19", client=shop.client)
    until(lambda: not own_device(shop).queue, "everything acknowledged")


def test_an_error_for_a_number_fails_the_send(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")
    shop.wa.faults.message_errors[bob.number] = 463

    with pytest.raises(RuntimeError, match="463"):
        shop.program.sends(bob.number, "no", shop.client)

    assert not bob.messages


def test_a_number_that_is_not_on_whatsapp_is_said_so(shop: Shop, someone: Someone) -> None:
    bob, gone = someone("Bob"), someone("Gone")
    shop.wa.faults.on_whatsapp[gone.number] = False

    answers = shop.program.do("is_on_whatsapp", shop.client, args=[bob.number, gone.number, "5599000000000"])

    assert [answer.get("IsIn", False) for answer in answers] == [True, False, False]


def test_a_phone_that_is_switched_off_sends_no_delivery_receipt(shop: Shop, someone: Someone) -> None:
    off, on = someone("Off"), someone("On")
    shop.wa.faults.auto_deliver[off.number] = False

    silent = shop.program.sends(off.number, "anybody?", shop.client)
    heard = shop.program.sends(on.number, "anybody?", shop.client)

    shop.program.gets_receipt(heard, "DELIVERED", client=shop.client)
    assert (shop.phone.written[silent].status, shop.phone.written[heard].status) == ("sent", "delivered")


def test_a_device_that_cannot_read_a_message_gets_it_again(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")
    shop.wa.send_text(bob, shop.phone, "warm-up before a retry")
    shop.program.hears("warm-up before a retry", client=shop.client)
    address = bob.signal.sessions[shop.phone.address_of(own_device(shop))]
    address.states[0].sending.key = bytes(32)  # Bob's phone has lost its place

    message_id = shop.wa.send_text(bob, shop.phone, "can you read this?")

    shop.program.hears("can you read this?", client=shop.client)
    assert message_id in [retry.text("id") for retry in shop.wa.watch.retries]


def test_a_phone_that_cannot_read_a_message_gets_it_again(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")
    shop.program.sends(bob.number, "warm-up", shop.client)
    shop.wa.send_text(bob, shop.phone, "answer")
    shop.program.hears("answer", client=shop.client)
    shop.program.sends(bob.number, "second", shop.client)
    bob.signal.sessions.clear()  # Bob's phone was restored without its sessions

    shop.program.sends(bob.number, "can you read this?", shop.client)

    until(lambda: [m.text for m in bob.inbox][-1] == "can you read this?", "the message, sent again")
    assert len(bob.undecryptable) == 1


def test_a_group_message_that_could_not_be_read_is_sent_again(shop: Shop, someone: Someone) -> None:
    bob = someone("Bob")
    group = shop.wa.group("Two friends", bob, shop.phone)
    shop.wa.send_group_text(bob, group, "first of two")
    shop.program.hears("first of two", client=shop.client)
    next(iter(bob.sender_keys.values())).chain.key = bytes(32)

    shop.wa.send_group_text(bob, group, "second of two")

    shop.program.hears("second of two", client=shop.client)


def test_phones_write_to_each_other_without_any_device(shop: Shop, someone: Someone) -> None:
    alice, bob = someone("Alice"), someone("Bob")

    message_id = shop.wa.send_message(alice, bob, e2e.Message(conversation="hi Bob"))
    shop.wa.read(bob, [message_id])

    assert [(m.text, m.from_me) for m in bob.messages.values()] == [("hi Bob", False)]
    assert (last(alice).text, last(alice).status) == ("hi Bob", "read")
