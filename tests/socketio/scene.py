"""What a test of Socket.IO has on the other side: acme's session with an engine that a test speaks for."""

from typing import Any

from accounts.permissions import SYSTEM, Rights
from tenants.context import run_in
from tests.people import Person
from tests.whatsapp.desk import Desk
from whatsapp.engine.port import EngineEvent
from whatsapp.models import Chat, Message
from whatsapp.services import access, sessions

EVERYTHING = Rights(can_read=True, can_write=True, can_manage_chats=True)


class Scene:
    """Each step enters acme's schema and commits, so that the web server sees it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.company = desk.company
        self.session_id = desk.session_id

    def tell(self, *events: EngineEvent) -> None:
        run_in(self.company, self.desk.tell, *events)

    def grants(self, person: Person, rights: Rights = EVERYTHING) -> None:
        options: dict[str, Any] = {"manager_id": person.user.pk, "rights": rights, "by": SYSTEM}
        run_in(self.company, access.grant, company=self.company, session_id=self.session_id, **options)

    def revokes(self, person: Person) -> None:
        options: dict[str, Any] = {"manager_id": person.user.pk, "by": SYSTEM}
        run_in(self.company, access.revoke, company=self.company, session_id=self.session_id, **options)

    def renames(self, name: str) -> None:
        options: dict[str, Any] = {"session_id": self.session_id, "name": name, "by": SYSTEM}
        run_in(self.company, sessions.change, company=self.company, **options)

    def queues(self, text: str) -> str:
        return run_in(self.company, self.desk.queue, text)

    def takes(self) -> None:
        run_in(self.company, self.desk.take)

    def chat(self) -> Chat:
        return run_in(self.company, self.desk.chat)

    def messages(self) -> list[Message]:
        return run_in(self.company, lambda: list(Message.objects.order_by("id")))

    @property
    def of_session(self) -> dict[str, str]:
        return {"sessionId": self.session_id}

    def of_chat(self) -> dict[str, str]:
        return {"sessionId": self.session_id, "chatId": self.chat().pk}
