"""WhatsApp's binary XML: Node to bytes and back."""

from __future__ import annotations

import zlib
from functools import lru_cache

from sandbox.protocol import tokens
from sandbox.protocol.node import HOSTED, HOSTED_LID, JID, LID, USER, Attribute, Node

LIST_EMPTY, DICTIONARY_0, INTEROP, FB, AD = 0, 236, 245, 246, 247
LIST8, LIST16, PAIR, HEX8, BINARY8, BINARY20, BINARY32, NIBBLE8 = 248, 249, 250, 251, 252, 253, 254, 255
ODD = 0x80  # in a packed string's length byte: the last half byte is filler
COMPRESSED = 2  # in a frame's first byte
MAX_STANZA = 16 << 20
MAX_DEPTH = 64

_AD_SERVERS = {0: USER, 1: LID, 128: HOSTED, 129: HOSTED_LID}
_AD_AGENTS = {server: agent for agent, server in _AD_SERVERS.items()}
# Packed strings are two characters a byte; "-" and "." take the place of the first two hex letters.
_TO_NIBBLES, _FROM_NIBBLES = str.maketrans("-.", "ab"), str.maketrans("ab", "-.")
_NIBBLE_SET, _HEX_SET = frozenset("0123456789-."), frozenset("0123456789ABCDEF")

Value = str | bytes | JID | list[Node] | None
Vocabulary = dict[str, bytes]  # token -> its one or two bytes


class MalformedStanza(ValueError):
    """Bytes that are no stanza."""


@lru_cache(maxsize=1)
def _vocabulary() -> Vocabulary:
    single, double = tokens.load()
    found = {token: bytes([i]) for i, token in enumerate(single) if token}
    for d, words in enumerate(double):
        found |= {token: bytes([DICTIONARY_0 + d, i]) for i, token in enumerate(words) if token not in found}
    return found


def encode(node: Node) -> bytes:
    return _Writer(_vocabulary()).frame(node)


def encode_for_keeping(node: Node) -> bytes:
    """Without tokens: readable by any later build, whatever its dictionaries hold."""
    return _Writer({}).frame(node)


def decode(frame: bytes) -> Node:
    try:
        data = _inflate(frame[1:]) if frame[0] & COMPRESSED else frame[1:]
        return _Reader(data).node(0)
    except (IndexError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise MalformedStanza(f"{len(frame)} bytes: {error!r}") from error


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    plain = inflater.decompress(data, MAX_STANZA)
    if inflater.unconsumed_tail:
        raise MalformedStanza("a stanza larger than any client sends")
    return plain


class _Writer:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.out = bytearray(b"\0")
        self.vocabulary = vocabulary

    def frame(self, node: Node) -> bytes:
        self.node(node)
        return bytes(self.out)

    def node(self, node: Node) -> None:
        attrs = [(k, v) for k, v in node.attrs.items() if v is not None and v != ""]
        self.size(1 + 2 * len(attrs) + (node.content is not None))
        self.text(node.tag)
        for key, value in attrs:
            self.text(key)
            self.jid(value) if isinstance(value, JID) else self.text(value)
        if node.content is not None:
            self.content(node)

    def content(self, node: Node) -> None:
        if isinstance(node.content, str):
            self.text(node.content)
        elif isinstance(node.content, (bytes, bytearray)):
            self.raw(bytes(node.content))
        else:
            self.size(len(node.children))
            for child in node.children:
                self.node(child)

    def size(self, n: int) -> None:
        if n == 0:
            self.out.append(LIST_EMPTY)
        else:
            self.out += bytes([LIST8, n]) if n < 256 else bytes([LIST16]) + n.to_bytes(2, "big")

    def raw(self, data: bytes) -> None:
        n = len(data)
        if n < 256:
            self.out += bytes([BINARY8, n])
        else:
            self.out += (
                bytes([BINARY20]) + n.to_bytes(3, "big") if n < 1 << 20 else bytes([BINARY32]) + n.to_bytes(4, "big")
            )
        self.out += data

    def text(self, text: str) -> None:
        token = self.vocabulary.get(text)
        if token is not None:
            self.out += token
        elif 0 < len(text) < 128 and _NIBBLE_SET.issuperset(text):
            self.packed(NIBBLE8, text.translate(_TO_NIBBLES))
        elif 0 < len(text) < 128 and _HEX_SET.issuperset(text):
            self.packed(HEX8, text)
        else:
            self.raw(text.encode())

    def packed(self, kind: int, halves: str) -> None:
        odd = len(halves) % 2
        data = bytes.fromhex(halves + "f" * odd)
        self.out += bytes([kind, len(data) | (ODD if odd else 0)])
        self.out += data

    def jid(self, jid: JID) -> None:
        if jid.server in _AD_AGENTS and (jid.device or jid.server in (HOSTED, HOSTED_LID)):
            self.out += bytes([AD, _AD_AGENTS[jid.server], jid.device])
            self.text(jid.user)
            return
        self.out.append(PAIR)
        self.text(jid.user) if jid.user else self.out.append(LIST_EMPTY)
        self.text(jid.server)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.single, self.double = tokens.load()

    def take(self, n: int) -> bytes:
        if self.at + n > len(self.data):
            raise EOFError("cut off")
        self.at += n
        return self.data[self.at - n : self.at]

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def list_size(self, tag: int) -> int:
        if tag not in (LIST_EMPTY, LIST8, LIST16):
            raise MalformedStanza(f"{tag} where a list should be")
        return 0 if tag == LIST_EMPTY else self.number(1 if tag == LIST8 else 2)

    def node(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise MalformedStanza("nested deeper than any stanza")
        n = self.list_size(self.byte())
        if n == 0:
            raise MalformedStanza("a stanza without a name")
        tag = self.name()
        attrs: dict[str, Attribute] = {self.name(): self.attribute(depth) for _ in range((n - 1) // 2)}
        content = None if n % 2 else self.value(depth)
        return Node(tag, attrs, str(content) if isinstance(content, JID) else content)

    def name(self) -> str:
        return _as_text(self.value(MAX_DEPTH))

    def attribute(self, depth: int) -> str | JID:
        value = self.value(depth)
        return value if isinstance(value, JID) else _as_text(value)

    def value(self, depth: int) -> Value:
        tag = self.byte()
        if tag == LIST_EMPTY:
            return None
        if tag in (LIST8, LIST16):
            return [self.node(depth + 1) for _ in range(self.list_size(tag))]
        if tag in (BINARY8, BINARY20, BINARY32):
            return self.take(self.binary_size(tag))
        if DICTIONARY_0 <= tag < DICTIONARY_0 + len(self.double):
            return self.double[tag - DICTIONARY_0][self.byte()]
        if tag in (NIBBLE8, HEX8):
            return self.packed(tag)
        if tag in (PAIR, AD, FB, INTEROP):
            return self.jid(tag)
        return self.single[tag]

    def binary_size(self, tag: int) -> int:
        if tag == BINARY8:
            return self.byte()
        return self.number(3) & 0xFFFFF if tag == BINARY20 else self.number(4)

    def packed(self, kind: int) -> str:
        head = self.byte()
        halves = self.take(head & ~ODD).hex()
        text = halves[:-1] if head & ODD else halves
        return text.upper() if kind == HEX8 else text.translate(_FROM_NIBBLES)

    def jid(self, tag: int) -> JID:
        if tag == PAIR:
            user = self.value(MAX_DEPTH)
            return JID(_as_text(user) if user else "", self.name())
        if tag == AD:
            agent, device = self.byte(), self.byte()
            return JID(self.name(), _AD_SERVERS.get(agent, USER), device)
        user_name, device = self.name(), self.number(2)
        if tag == INTEROP:
            self.number(2)  # the integrator: another messenger's id
        return JID(user_name, self.name(), device)


def _as_text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, JID):
        return str(value)
    raise MalformedStanza(f"{type(value).__name__} where a text should be")
