"""The mails that are due: queued jobs are carried out here, as a jobs process would, and what they send is kept."""

import re
from collections.abc import Iterator

from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob


def deliver() -> list[EmailMessage]:
    """Run the mail jobs that are queued, and empty the mailbox of what they have sent."""
    before = len(mail.outbox)
    for job in _take_jobs():
        app.tasks[job.task_name](**job.args)
    sent, mail.outbox[before:] = mail.outbox[before:], []
    return sent


def code_for(email: str) -> str:
    """The six digits of the one mail that is due to `email`."""
    (letter,) = (letter for letter in deliver() if letter.to == [email])
    found = re.search(r"\b\d{6}\b", str(letter.body))
    assert found, letter.body
    return found[0]


def queued() -> list[ProcrastinateJob]:
    return list(
        ProcrastinateJob.objects.filter(task_name__startswith="accounts.tasks.mail", status="todo").order_by("id")
    )


def _take_jobs() -> Iterator[ProcrastinateJob]:
    for job in queued():
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [job.pk])
        yield job
