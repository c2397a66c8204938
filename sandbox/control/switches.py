"""/faults: every switch as JSON, checked field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.control import inputs
from sandbox.control.errors import bad_input
from sandbox.world.faults import Faults, LoginFailure

Reader = Callable[[Faults, str, Any], None]
FAILURE_FIELDS = ("reason", "code", "expire")


def shown(faults: Faults) -> dict[str, Any]:
    failures = {n: {"reason": f.reason, "code": f.code, "expire": f.expire} for n, f in faults.login_failures.items()}
    return {
        "qrRefs": faults.qr_refs,
        "refuseTcp": faults.refuse_tcp,
        "httpStatus": faults.http_status,
        "loginFailures": failures,
        "iqErrors": {"/".join(key): {"code": c, "text": t} for key, (c, t) in faults.iq_errors.items()},
        "muteXmlns": sorted(faults.mute_xmlns),
        "messageErrors": faults.message_errors,
        "holdMessageAcks": faults.hold_message_acks,
        "mediaStatus": faults.media_status,
        "closeDelay": faults.close_delay,
        "autoDeliver": faults.auto_deliver,
        "onWhatsapp": faults.on_whatsapp,
    }


def turn(faults: Faults, body: inputs.Json) -> None:
    """All of it or nothing: a wrong value turns no switch."""
    for trial in (Faults(), faults):
        for key, value in body.items():
            READERS[key](trial, key, value)


def _flag(attribute: str) -> Reader:
    def read(faults: Faults, key: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise bad_input(f"{key!r} must be true or false.")
        setattr(faults, attribute, value)

    return read


def _status(attribute: str) -> Reader:
    def read(faults: Faults, key: str, value: Any) -> None:
        setattr(faults, attribute, None if value is None else inputs.integer(value, key, 200, 599))

    return read


def _by_number(attribute: str, item: Callable[[str, Any], Any]) -> Reader:
    """An object from number to something; null takes a number out, the others stay."""

    def read(faults: Faults, key: str, value: Any) -> None:
        entries = getattr(faults, attribute)
        for raw, wanted in _object(key, value).items():
            number = inputs.number(raw, key)
            if wanted is None:
                entries.pop(number, None)
            else:
                entries[number] = item(f"{key}.{number}", wanted)

    return read


def _object(key: str, value: Any) -> inputs.Json:
    if not isinstance(value, dict):
        raise bad_input(f"{key!r} must be an object.")
    return value


def _login_failure(key: str, value: Any) -> LoginFailure:
    fields = _object(key, value)
    for name in fields:
        if name not in FAILURE_FIELDS:
            raise bad_input(f"Unknown field {name[:50]!r} in {key!r}.")
    if "reason" not in fields:
        raise bad_input(f"{key!r} needs a 'reason'.")
    return LoginFailure(**{name: _digits(f"{key}.{name}", fields[name]) for name in fields})


def _digits(key: str, value: Any) -> str:
    digits = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 12):
        raise bad_input(f"{key!r} must be a number.")
    return digits


def _boolean(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad_input(f"{key!r} must be true or false.")
    return value


def _code(key: str, value: Any) -> int:
    return inputs.integer(value, key, 1, 9999)


def _qr_refs(faults: Faults, key: str, value: Any) -> None:
    faults.qr_refs = inputs.integer(value, key, 0, 20)


def _close_delay(faults: Faults, key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 60:
        raise bad_input(f"{key!r} must be seconds from 0 to 60.")
    faults.close_delay = float(value)


def _mute(faults: Faults, key: str, value: Any) -> None:
    """The whole list is replaced."""
    faults.mute_xmlns = set(inputs.texts({key: value}, key)) if value else set()


def _iq_errors(faults: Faults, key: str, value: Any) -> None:
    for name, error in _object(key, value).items():
        parts = name.split("/")
        if len(parts) != 3:
            raise bad_input(f"{key!r} is keyed by namespace/type/tag, as in md/set/link_code_companion_reg.")
        where = parts[0], parts[1], parts[2]
        if error is None:
            faults.iq_errors.pop(where, None)
            continue
        fields = _object(f"{key}.{name}", error)
        wording = fields.get("text", "")
        if not isinstance(wording, str) or not set(fields) <= {"code", "text"}:
            raise bad_input(f"{key}.{name!r} must be an object with 'code' and 'text'.")
        faults.iq_errors[where] = (_code(f"{key}.{name}.code", fields.get("code")), wording)


READERS: dict[str, Reader] = {
    "qrRefs": _qr_refs,
    "refuseTcp": _flag("refuse_tcp"),
    "httpStatus": _status("http_status"),
    "loginFailures": _by_number("login_failures", _login_failure),
    "iqErrors": _iq_errors,
    "muteXmlns": _mute,
    "messageErrors": _by_number("message_errors", _code),
    "holdMessageAcks": _flag("hold_message_acks"),
    "mediaStatus": _status("media_status"),
    "closeDelay": _close_delay,
    "autoDeliver": _by_number("auto_deliver", _boolean),
    "onWhatsapp": _by_number("on_whatsapp", _boolean),
}
