"""JID and Node: an address and a stanza, as every other module speaks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

USER, LID, GROUP, HOSTED, HOSTED_LID = "s.whatsapp.net", "lid", "g.us", "hosted", "hosted.lid"
SHOWN_CHILDREN = 8


@dataclass(frozen=True)
class JID:
    """user[:device]@server; device 0 is the phone itself."""

    user: str
    server: str = USER
    device: int = 0

    @classmethod
    def parse(cls, text: str) -> JID:
        if "@" not in text:
            return cls("", text)
        left, server = text.split("@", 1)
        user, _, device = left.partition(":")
        return cls(user, server, int(device or 0))

    def bare(self) -> JID:
        return JID(self.user, self.server)

    def __str__(self) -> str:
        if not self.user:
            return self.server
        return f"{self.user}{f':{self.device}' if self.device else ''}@{self.server}"


SERVER_JID = JID("", USER)
Attribute = str | JID | None  # None and "" are left out on the wire
Content = Sequence["Node"] | bytes | str | None


@dataclass
class Node:
    """One stanza or a part of it."""

    tag: str
    attrs: dict[str, Attribute] = field(default_factory=dict)
    content: Content = None

    @property
    def children(self) -> Sequence[Node]:
        return self.content if isinstance(self.content, (list, tuple)) else ()

    @property
    def data(self) -> bytes:
        """The content as bytes; a short text may have come as a token."""
        if isinstance(self.content, str):
            return self.content.encode()
        return self.content if isinstance(self.content, bytes) else b""

    def find(self, *path: str) -> Node | None:
        node: Node | None = self
        for tag in path:
            node = next((c for c in node.children if c.tag == tag), None) if node else None
        return node

    def need(self, *path: str) -> Node:
        found = self.find(*path)
        if found is None:
            raise ValueError(f"<{self.tag}> without <{'/'.join(path)}>")
        return found

    def all(self, tag: str) -> list[Node]:
        return [c for c in self.children if c.tag == tag]

    def text(self, key: str) -> str:
        value = self.attrs.get(key)
        return "" if value is None else str(value)

    def jid(self, key: str) -> JID | None:
        value = self.attrs.get(key)
        return value if isinstance(value, JID) else None

    def __str__(self) -> str:
        return self.xml()

    def xml(self, depth: int = 0) -> str:
        """For people; never put into a log above debug, it may show what was written."""
        indent = "  " * depth
        attrs = "".join(f' {k}="{v}"' for k, v in self.attrs.items() if v not in (None, ""))
        if self.content is None:
            return f"{indent}<{self.tag}{attrs}/>"
        if not self.children:
            return f"{indent}<{self.tag}{attrs}>{_shown(self.data)}</{self.tag}>"
        inner = "\n".join(c.xml(depth + 1) for c in self.children[:SHOWN_CHILDREN])
        more = f"\n{indent}  ..." if len(self.children) > SHOWN_CHILDREN else ""
        return f"{indent}<{self.tag}{attrs}>\n{inner}{more}\n{indent}</{self.tag}>"


def _shown(data: bytes) -> str:
    if len(data) < 120 and data.isascii() and data.decode("ascii").isprintable():
        return data.decode("ascii")
    return f"[{len(data)} bytes {data[:8].hex()}]"
