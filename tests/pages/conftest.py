"""People at their browsers, and a number of acme's with a chat."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TypeVar

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.permissions import SYSTEM, Rights
from fleet.models import Network, Placement, Worker
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.models import Company
from tests.browser import Browsers, SharedChromium, Site
from tests.people import Person
from tests.whatsapp.conftest import harbour, on_sandbox, sandbox  # noqa: F401
from whatsapp.engine import port
from whatsapp.models import Account, Chat, Contact, Message, MessageStatus, Session
from whatsapp.services import access, sessions
from whatsapp.services.inbound import preview
from whatsapp.services.media import row_of

T = TypeVar("T")


class Desk:
    """A company with one linked number, seen from inside; rows are written as the worker would write them."""

    def __init__(self, company: Company) -> None:
        Company.objects.filter(pk=company.pk).update(sandbox_allowed=True, max_sessions=20)
        self.company = company
        self.session = self.new_session("Front desk")
        self.account = self.run(Account.objects.create, network=Network.SANDBOX, phone_number="4915550100001")
        self.run(Session.objects.filter(pk=self.session.pk).update, account=self.account)
        soon = timezone.now() + timedelta(hours=1)
        worker = Worker.objects.create(name="here", pid=1, capacity=1, store_id="here", lease_until=soon)
        self.is_in(
            State.CONNECTED, device_jid="4915550100001:1@s.whatsapp.net", wanted=Wanted.RUNNING, owner=worker, reason=""
        )
        self.chat = self.run(self._make_chat)
        self.says("Are you open?")

    def run(self, function: Callable[..., T], *args: object, **kwargs: object) -> T:
        return run_in(self.company, function, *args, **kwargs)

    def new_session(self, name: str, network: str = Network.SANDBOX) -> Session:
        return self.run(sessions.create, company=self.company, by=SYSTEM, name=name, network=network)

    def is_in(self, state: State, **more: object) -> None:
        Placement.objects.filter(pk=self.session.pk).update(state=state, **more)

    def _make_chat(self) -> Chat:
        contact = Contact.objects.create(account=self.account, phone_number="4915550100002", push_name="Bob")
        return Chat.objects.create(account=self.account, contact=contact)

    def says(self, text: str, **more: object) -> Message:
        """A message of Bob's, or with `from_me=True` one of ours."""
        fields = {"from_me": False, "status": MessageStatus.RECEIVED, "sender": self.chat.contact, **more}
        row = self.run(Message.objects.create, account=self.account, chat=self.chat, body=text, **fields)
        unread = self.run(Message.objects.filter(chat=self.chat, from_me=False, is_read=False).count)
        changes = {"last_message_at": row.timestamp, "last_message_text": text[:200], "unread_count": unread}
        self.run(Chat.objects.filter(pk=self.chat.pk).update, **changes)
        return row

    def brings(self, media: port.Media | None, kind: str = "image", text: str = "", **more: object) -> Message:
        """A message of Bob's with something beside its words."""
        row = self.says(text, kind=kind, **more)
        if media is not None:
            self.run(row_of(row, media).save, force_insert=True)
        self.run(Chat.objects.filter(pk=self.chat.pk).update, last_message_text=preview(row))
        return row

    def grant(self, manager: Person, *, read: bool = True, write: bool = False) -> None:
        self.run(
            access.grant,
            company=self.company,
            session_id=self.session.pk,
            manager_id=manager.user.pk,
            rights=Rights(read, write, False),
            by=SYSTEM,
        )

    def fresh(self, session_id: str = "") -> Session:
        return self.run(Session.objects.with_placement().get, pk=session_id or self.session.pk)

    def at(self, tail: str = "") -> str:
        return f"/sessions/{self.session.pk}{tail}"


@pytest.fixture
def desk(acme: Company, settings: Settings) -> Desk:
    settings.SANDBOX_URL = "http://127.0.0.1:8090"
    return Desk(acme)


def at_browser(person: Person | None = None, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    if person is not None:
        client.force_login(person.user)
    return client


@pytest.fixture
def site(live_companies: None) -> Iterator[Site]:
    """The whole site, served on a free port of this machine, over this test's database."""
    with Site.serve() as running:
        yield running


@pytest.fixture(scope="session")
def shared_chromium() -> Iterator[SharedChromium]:
    shared = SharedChromium()
    yield shared
    shared.close()


@pytest.fixture
def browsers(site: Site, shared_chromium: SharedChromium) -> Iterator[Browsers]:
    """Chromium; whoever complained on its console fails the test in the end."""
    with Browsers.open(site, shared_chromium) as opened:
        yield opened
