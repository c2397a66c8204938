"""The switches a test may turn, and what they are at rest."""

from __future__ import annotations

from dataclasses import dataclass, field

IqKey = tuple[str, str, str]  # xmlns, type, first child's tag


@dataclass(frozen=True)
class LoginFailure:
    """The attributes of `<failure>`: 401 unlinked, 402 temporary ban (code, expire), 403, 405 outdated, 503 ..."""

    reason: str
    code: str = ""
    expire: str = ""


@dataclass
class Faults:
    """Everything at rest by default.  Never kept over a restart."""

    qr_refs: int = 6  # 6: the first lives 60 s and the others 20 s; another number: 20 s each
    refuse_tcp: bool = False
    http_status: int | None = None  # answers every request behind the proxy, the upgrade too
    login_failures: dict[str, LoginFailure] = field(default_factory=dict)
    iq_errors: dict[IqKey, tuple[int, str]] = field(default_factory=dict)
    mute_xmlns: set[str] = field(default_factory=set)  # requests that never get an answer
    message_errors: dict[str, int] = field(default_factory=dict)  # recipient's number -> error in the ack
    hold_message_acks: bool = False  # and the message goes nowhere
    media_status: int | None = None
    # whatsmeow may drop a last stanza that arrives together with the close, so wait a little before closing.
    close_delay: float = 0.3
    auto_deliver: dict[str, bool] = field(default_factory=dict)  # False: that phone is switched off
    on_whatsapp: dict[str, bool] = field(default_factory=dict)  # False: that number has no account

    def delivers(self, number: str) -> bool:
        return self.auto_deliver.get(number, True)

    def is_on_whatsapp(self, number: str) -> bool:
        return self.on_whatsapp.get(number, True)
