"""Mails are jobs: a mail server that is away loses none, and the request does not wait for it."""

import socketserver
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.core import mail
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector

from accounts.tasks import mail_password_changed, mail_welcome
from config.mail import mail_settings, mailer
from tests.accounts.mailbox import queued
from tests.people import Person, client_for

pytestmark = pytest.mark.django_db(transaction=True)


def send_by(settings: Any, url: str) -> None:
    """As `config.settings` does it."""
    for name, value in mail_settings(mailer(url)).items():
        setattr(settings, name, value)


def run_jobs() -> None:
    """A real jobs process's loop, until nothing is due."""
    connector = cast(DjangoConnector, app.connector)
    with app.replace_connector(connector.get_worker_connector()) as running:
        running.run_worker(wait=False, install_signal_handlers=False, listen_notify=False)


def ask_for_code(person: Person) -> int:
    body = {"email": person.user.email, "mode": "reset"}
    return int(client_for().post("/api/auth/send-code", body, format="json").status_code)


class Letterbox(socketserver.StreamRequestHandler):
    """Just enough SMTP to take a letter."""

    def handle(self) -> None:
        self.say("220 letterbox")
        for line in self.rfile:
            if line.upper().startswith(b"DATA"):
                self.say("354 go on")
                body = iter(self.rfile.readline, b".\r\n")
                cast(Any, self.server).letters.append(b"".join(body).decode())
            if line.upper().startswith(b"QUIT"):
                self.say("221 bye")
                return
            self.say("250 fine")

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


@pytest.fixture
def letterbox() -> Iterator[Any]:
    with socketserver.TCPServer(("127.0.0.1", 0), Letterbox) as server:
        cast(Any, server).letters = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_code_is_sent_when_the_mail_server_is_back(acme_admin: Person, settings: Any, letterbox: Any) -> None:
    send_by(settings, "smtp://127.0.0.1:1")
    assert ask_for_code(acme_admin) == 200
    run_jobs()
    (job,) = queued()
    assert (job.status, job.attempts) == ("todo", 1)

    send_by(settings, f"smtp://127.0.0.1:{letterbox.server_address[1]}")
    due_now(job.pk)
    run_jobs()

    (letter,) = letterbox.letters
    assert "To: admin@acme.test" in letter
    assert "From: Wharf" in letter
    assert queued() == []


def due_now(job_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE id = %s", [job_id])


def test_a_mail_about_a_rolled_back_change_is_never_sent(acme_admin: Person) -> None:
    body = {"email": "mia@acme.test", "firstName": "Mia", "password": "harbour-lights-8"}
    created = client_for(acme_admin).post("/api/managers", body, format="json")
    assert created.status_code == 201
    again = client_for(acme_admin).post("/api/managers", body, format="json")
    assert again.status_code == 400

    assert [job.task_name for job in queued()] == ["accounts.tasks.mail_welcome"]


@pytest.mark.parametrize(("language", "word"), [("ru", "пароль"), ("en", "password")])
def test_a_mail_speaks_its_readers_language(acme_admin: Person, language: str, word: str) -> None:
    acme_admin.user.language = language
    acme_admin.user.save()

    mail_password_changed(user_id=acme_admin.user.pk)
    mail_welcome(membership_id=acme_admin.membership.pk if acme_admin.membership else "")

    assert all(word in str(letter.body).lower() for letter in mail.outbox)
    assert ("administrator" if language == "en" else "администратор") in mail.outbox[1].subject
    assert len(mail.outbox) == 2


def test_who_is_let_go_before_the_mail_leaves_gets_none(acme_manager: Person) -> None:
    assert acme_manager.membership is not None
    membership_id = acme_manager.membership.pk
    acme_manager.membership.delete()

    mail_welcome(membership_id=membership_id)

    assert mail.outbox == []
