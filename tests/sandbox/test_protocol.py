"""The protocol's parts, each alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from sandbox.protocol import adv, binary, curve, media, tokens
from sandbox.protocol.appstate import AppState
from sandbox.protocol.binary import MalformedStanza
from sandbox.protocol.node import GROUP, HOSTED_LID, JID, LID, Node
from sandbox.protocol.ratchet import MAX_SKIP, SignalError
from sandbox.protocol.sender_key import SenderKey
from sandbox.protocol.signal_device import SignalDevice
from sandbox.protocol.wire import Fields, MalformedMessage, pack


def a_stanza() -> Node:
    jids = {"to": JID("5511999990001", device=3), "g": JID("120363-2", GROUP), "h": JID("7", HOSTED_LID, 99)}
    kids = [
        Node("a", {}, b"\0" * 300),
        Node("b", {}, b"\1" * (1 << 20)),
        Node("participants", {"k": "ABC0"}, [Node("leaf", {"lid": JID("1", LID)})] * 300),
    ]
    return Node("iq", {**jids, "id": "A1B2", "odd": "12-3.4", "w": "ünï", "x": "xmlns"}, kids)


@pytest.mark.parametrize("encode", [binary.encode, binary.encode_for_keeping])
def test_a_stanza_comes_back_as_it_was_written(encode: Callable[[Node], bytes]) -> None:
    assert binary.decode(encode(a_stanza())) == a_stanza()


def test_a_compressed_stanza_is_read() -> None:
    frame = binary.encode(a_stanza())
    assert binary.decode(b"\2" + zlib.compress(frame[1:])) == a_stanza()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0",
        b"\0\0",
        b"\0\xf8\1",
        b"\0\xf8\3\1\2\xfe\xff\xff\xff\xff",
        b"\2not zlib",
        b"\2" + zlib.compress(bytes(32 << 20)),
        b"\0" + b"\xf8\2\1\xf8\1" * 5000,
        b"\0\xf8\1\xfc\1\xff",
    ],
)
def test_rubbish_is_called_malformed_and_nothing_else(frame: bytes) -> None:
    with pytest.raises(MalformedStanza):
        binary.decode(frame)


def test_the_tokens_come_from_the_library() -> None:
    single, double = tokens.load()

    assert len(single) == 236
    assert [len(words) for words in double] == [256] * 4
    assert {"s.whatsapp.net", "message", "receipt"} <= set(single)


def test_a_signature_verifies_for_its_own_message_and_key_alone() -> None:
    key, other = curve.KeyPair(), curve.KeyPair()
    signature = key.sign(b"text")

    assert curve.verify(key.pub, b"text", signature)
    assert not curve.verify(key.pub, b"other text", signature)
    assert not curve.verify(other.pub, b"text", signature)
    assert not curve.verify(key.pub, b"text", signature[:-1])


def two_devices() -> tuple[SignalDevice, SignalDevice]:
    a, b = SignalDevice(), SignalDevice()
    a.start("b", b.bundle())
    return a, b


def test_messages_may_arrive_in_any_order_and_only_once() -> None:
    a, b = two_devices()
    sent = [a.encrypt("b", b"%d" % i) for i in range(4)]

    assert [b.decrypt("a", *sent[i]) for i in (2, 0, 3, 1)] == [b"2", b"0", b"3", b"1"]
    with pytest.raises(SignalError, match="used already"):
        b.decrypt("a", *sent[0])


def test_a_conversation_goes_on_in_both_directions() -> None:
    a, b = two_devices()
    b.decrypt("a", *a.encrypt("b", b"first"))

    for i in range(20):
        assert a.decrypt("b", *b.encrypt("a", b"x%d" % i)) == b"x%d" % i
        assert b.decrypt("a", *a.encrypt("b", b"y%d" % i)) == b"y%d" % i


def test_both_may_open_a_session_at_the_same_moment() -> None:
    a, b = SignalDevice(), SignalDevice()
    a.start("b", b.bundle())
    b.start("a", a.bundle())
    from_a, from_b = [a.encrypt("b", b"a%d" % i) for i in range(2)], [b.encrypt("a", b"b%d" % i) for i in range(2)]

    assert [b.decrypt("a", *m) for m in from_a] == [b"a0", b"a1"]
    assert [a.decrypt("b", *m) for m in from_b] == [b"b0", b"b1"]
    assert b.decrypt("a", *a.encrypt("b", b"and on")) == b"and on"
    assert a.decrypt("b", *b.encrypt("a", b"and back")) == b"and back"


def test_a_damaged_message_harms_no_session() -> None:
    a, b = two_devices()
    kind, good = a.encrypt("b", b"first")
    wrong_mac = good[:-12] + bytes([good[-12] ^ 1]) + good[-11:]
    for damaged in (wrong_mac, good[:20], b"3", b""):
        with pytest.raises(SignalError):
            b.decrypt("a", kind, damaged)

    assert b.decrypt("a", kind, good) == b"first"


def test_a_message_too_far_ahead_is_refused() -> None:
    a, b = two_devices()
    b.decrypt("a", *a.encrypt("b", b"first"))
    for _ in range(MAX_SKIP + 1):
        a.encrypt("b", b"lost")

    with pytest.raises(SignalError, match="future"):
        b.decrypt("a", *a.encrypt("b", b"late"))


def test_a_one_time_prekey_works_once() -> None:
    a, b, c = SignalDevice(), SignalDevice(), SignalDevice()
    bundle = b.bundle()
    a.start("b", bundle)
    c.start("b", bundle)
    assert b.decrypt("a", *a.encrypt("b", b"mine")) == b"mine"

    with pytest.raises(SignalError, match="unknown prekey"):
        b.decrypt("c", *c.encrypt("b", b"too late"))


def test_a_sender_key_opens_what_follows_its_sharing() -> None:
    own = SenderKey.new()
    before = own.encrypt(b"before")
    reader = SenderKey.from_distribution(own.distribution())
    one, two = own.encrypt(b"one"), own.encrypt(b"two")

    assert [reader.decrypt(two), reader.decrypt(one)] == [b"two", b"one"]
    with pytest.raises(SignalError):
        reader.decrypt(before)
    with pytest.raises(SignalError):
        reader.encrypt(b"not mine")


def test_cut_off_signal_fields_are_malformed() -> None:
    whole = pack({1: 300, 2: b"bytes"})
    assert (Fields(whole).number(1), Fields(whole).blob(2)) == (300, b"bytes")

    for cut in (whole[:1], whole[:-1], b"\x0d\0\0\0\0", b"\xff" * 12):
        with pytest.raises(MalformedMessage):
            Fields(cut)


def test_media_open_with_their_own_key_alone() -> None:
    sealed = media.seal(b"picture" * 1000, "Image")

    assert media.unseal(sealed.blob, sealed.key, "Image") == b"picture" * 1000
    with pytest.raises(ValueError, match="MAC"):
        media.unseal(sealed.blob, bytes(32), "Image")


def test_app_state_reads_back_what_was_put_even_after_a_restore() -> None:
    state = AppState()
    state.put("critical_block", ["setting_pushName"], pushNameSetting={"name": "Old"})
    state.put("critical_block", ["setting_pushName"], pushNameSetting={"name": "New"})

    again = AppState(state.key)
    for patch in state.collection("critical_block").patches:
        again.restore("critical_block", patch)

    assert again.read("critical_block")['["setting_pushName"]'].pushNameSetting.name == "New"
    assert again.collection("critical_block").hash == state.collection("critical_block").hash


def test_a_patch_of_somebody_else_is_refused() -> None:
    ours, theirs = AppState(), AppState()
    foreign = theirs.put("regular", ["x"], pushNameSetting={"name": "x"})

    with pytest.raises(ValueError, match="MAC"):
        ours.accept("regular", foreign)
    assert ours.collection("regular").version == 0


@pytest.mark.parametrize(
    "text", ["", "hello", "https://wa.me/settings/linked_devices#a,b,c", adv.QR_PREFIX + "ref,!!,!!,!!,1"]
)
def test_other_texts_are_no_linking_qr(text: str) -> None:
    with pytest.raises(adv.NotALinkingQR):
        adv.read_qr(text)
