"""Who takes part: companies with admins and linked sessions, their customers, and where each of them is reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx

from faults.plan import CUSTOMERS_A_SESSION
from faults.receiver import Receiver
from tests.product import ApiPerson, Product, VirtualPhone
from tests.waiting import eventually

#: So many link at the same time: each has a process of its own until it has, and a code lives a minute.
AT_ONCE: Final = 4


@dataclass(frozen=True)
class Company:
    """`heard_from`: the position of its log at which its receiver was made known."""

    slug: str
    schema: str
    admin: ApiPerson
    token: str
    heard_from: int


@dataclass(frozen=True)
class Session:
    id: str
    company: Company
    phone: VirtualPhone
    customers: tuple[VirtualPhone, ...]


@dataclass
class Cast:
    companies: list[Company] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    @property
    def owners(self) -> Mapping[str, str]:
        """Whose session each is."""
        return {session.id: session.company.slug for session in self.sessions}


def assemble(product: Product, sandbox: httpx.Client, receiver: Receiver, *, companies: int, sessions: int) -> Cast:
    """Make the companies, tell them of the receiver, and link their sessions; they share them out in turn."""
    cast = Cast([_company(product, f"fleet-{number}", sessions) for number in range(companies)])
    for company in cast.companies:
        hook = company.admin.post("/api/whatsapp/webhooks", url=receiver.url_of(company.slug))["data"]
        receiver.learn(company.slug, hook["secret"])
    while (first := len(cast.sessions)) < sessions:
        cast.sessions += _link(sandbox, cast, range(first, min(first + AT_ONCE, sessions)))
    return cast


def _company(product: Product, name: str, sessions: int) -> Company:
    made, admin = product.makes_a_company(name, sessions=sessions)
    position = int(admin.get("/api/whatsapp/events?after=now")["data"]["next"])
    return Company(made["slug"], made["schema"], admin, admin.token, position)


def _link(sandbox: httpx.Client, cast: Cast, places: range) -> list[Session]:
    made = []
    for place in places:
        company = cast.companies[place % len(cast.companies)]
        made.append(
            Session(
                company.admin.creates_a_session(f"Line {place}"),
                company,
                VirtualPhone(sandbox, str(79110000000 + place), f"Line {place}"),
                tuple(_customer(sandbox, place, number) for number in range(CUSTOMERS_A_SESSION)),
            )
        )
    for session in made:
        session.phone.scans(eventually(lambda: _qr(session), what="a code"))  # noqa: B023  # called at once
    for session in made:
        eventually(lambda: state_of(session) == "connected", what="connected")  # noqa: B023
    return made


def _customer(sandbox: httpx.Client, place: int, number: int) -> VirtualPhone:
    return VirtualPhone(sandbox, str(79990000000 + place * CUSTOMERS_A_SESSION + number), f"Customer {place}-{number}")


def _qr(session: Session) -> str:
    return str(session.company.admin.get(f"/api/whatsapp/sessions/{session.id}/qr")["data"].get("qr") or "")


def state_of(session: Session) -> str:
    try:
        return str(session.company.admin.get(f"/api/whatsapp/sessions/{session.id}")["data"]["state"])
    except (httpx.HTTPError, AssertionError):
        return "not told"
