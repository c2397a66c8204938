"""How phones, messages and happenings look in JSON."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sandbox.world.companion import Companion
from sandbox.world.group import Group
from sandbox.world.happenings import Happening
from sandbox.world.message import Message
from sandbox.world.phone import Acknowledged, Phone


def phone(subject: Phone) -> dict[str, Any]:
    return {
        "number": subject.number,
        "name": subject.name,
        "lid": subject.owner.lid,
        "linkedDevices": [_device(companion) for companion in subject.companions.values()],
        "unread": subject.unread,
        "typing": [{"peer": peer, "by": writer} for peer, writer in subject.typing],
    }


def _device(companion: Companion) -> dict[str, Any]:
    platform = companion.registration.platform
    named = {"platform": platform} if platform else {}
    return {"device": companion.device, **named, "online": companion.is_online}


def message(subject: Phone, shown: Message) -> dict[str, Any]:
    """`peer` is the conversation: the other person's number or the group."""
    body: dict[str, Any] = {
        "seq": shown.seq,
        "id": shown.id,
        "from": shown.sender,
        "peer": shown.peer,
        "fromMe": shown.from_me,
        "text": shown.text,
        "kind": shown.kind,
        "at": moment(shown.at),
        "read": shown.read,
        "reactions": [{"from": who, "emoji": emoji} for who, emoji in subject.reactions_to(shown).items()],
    }
    if shown.group is not None:
        body["group"] = shown.group
    else:
        body["to"] = shown.peer if shown.from_me else subject.number
    if shown.from_me:
        body["status"] = shown.status
    return body


def acknowledged(entry: Acknowledged) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "id": entry.id,
        "device": entry.device,
        "how": entry.how,
        "at": moment(entry.at),
        "handed": [{"at": moment(each.at), "waited": each.waited} for each in entry.handed],
    }


def group(shown: Group) -> dict[str, Any]:
    return {"jid": shown.jid, "subject": shown.subject, "owner": shown.owner, "members": shown.members}


def happening(shown: Happening) -> dict[str, Any]:
    return {"seq": shown.seq, "at": moment(shown.at), "type": shown.type, "number": shown.number, **shown.details}


def moment(timestamp: float) -> str:
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
