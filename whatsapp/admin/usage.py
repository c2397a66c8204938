"""How much of its plan a company uses, as far as that is cheap to say."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext

from whatsapp.models import Message, Session

LATELY: Final = timedelta(days=30)
#: A page is not worth more of the database's time.
PATIENCE_SECONDS: Final = 1


@dataclass(frozen=True)
class Usage:
    """`messages` is None where counting them takes too long."""

    sessions: int
    messages: int | None

    @property
    def messages_in_words(self) -> str:
        return gettext("too many to count here") if self.messages is None else str(self.messages)


def of_company() -> Usage:
    """Inside the company."""
    return Usage(sessions=Session.objects.live().count(), messages=_messages())


def _messages() -> int | None:
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")
            counted = _count()
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = DEFAULT")
            return counted
    except OperationalError:
        return None


def _count() -> int:
    return Message.objects.filter(timestamp__gte=timezone.now() - LATELY).count()
