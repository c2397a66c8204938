"""What a message costs the database does not grow with what is there already: each row is found by an index."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.utils import timezone
from psycopg.errors import Diagnostic

from tests.whatsapp.desk import GROUP, NOON, Desk, acknowledged, receipt, text
from whatsapp.engine.port import Person, ReactionReceived
from whatsapp.models import Chat, Contact, Message, Reaction

pytestmark = pytest.mark.django_db

MANY = 3000
#: Rows that a step of a statement may look at; none of what happens here is about more than a few.
FEW = 50


def fill(desk: Desk) -> None:
    """People and groups with a chat each, in each chat a message and an answer, and a reaction."""
    account, session = desk.session.account, desk.session
    people = [Contact(id=f"p{n}", account=account, phone_number=f"49{n:010}", lid=f"77{n}") for n in range(MANY)]
    Contact.objects.bulk_create(people)
    chats = [Chat(id=f"c{n}", account=account, contact=one) for n, one in enumerate(people)]
    chats += [Chat(id=f"g{n}", account=account, group_jid=f"{n}@g.us") for n in range(MANY)]
    Chat.objects.bulk_create(chats)
    shared = {"account": account, "session": session}
    heard = [Message(chat=c, wa_id=f"I{c.pk}", from_me=False, status="received", **shared) for c in chats]
    said = [Message(chat=c, wa_id=f"O{c.pk}", from_me=True, status="read", **shared) for c in chats]
    Message.objects.bulk_create(heard + said, batch_size=MANY)
    put = {"session": session, "at": timezone.now()}
    Reaction.objects.bulk_create(Reaction(chat=c, wa_id=f"I{c.pk}", status="", **put) for c in chats)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@contextmanager
def explained(plans: str) -> Iterator[list[str]]:
    """How the database carried out each statement, those of foreign keys among them. `plans`: a `plan_cache_mode`."""
    seen: list[str] = []

    def note(diagnostic: Diagnostic) -> None:
        seen.append(diagnostic.message_primary or "")

    with connection.cursor() as cursor:
        cursor.execute("LOAD 'auto_explain'")
        # Also where a table is so small that reading all of it costs less.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"SET LOCAL plan_cache_mode = {plans}")
        cursor.execute("SET LOCAL auto_explain.log_level = notice")
        cursor.execute("SET LOCAL auto_explain.log_analyze = on")
        cursor.execute("SET LOCAL auto_explain.log_nested_statements = on")
        cursor.execute("SET LOCAL auto_explain.log_min_duration = 0")
        connection.connection.add_notice_handler(note)
        try:
            yield seen
        finally:
            connection.connection.remove_notice_handler(note)
            cursor.execute("SET LOCAL auto_explain.log_min_duration = -1")


def most_rows(plan: str) -> float:
    """That one step of it looked at: what it found, and what it threw away again."""
    found = re.findall(r"actual time=\S+ rows=([\d.]+)|Rows Removed by [A-Za-z ]+: ([\d.]+)", plan)
    return max((float(rows or removed) for rows, removed in found), default=0)


def what_happens(desk: Desk, mark: str) -> None:
    """Everything that comes in numbers: to us and from us, with people and groups, known and new ones."""
    someone, somewhere = Person(pn="490000000005", lid="775"), Person(pn="490000000006")
    stranger = Person(pn=f"4477{mark}00000001", lid=f"1234{mark}")
    hello = text(f"Hello {mark}", peer=someone)
    desk.tell(hello, text(f"Hi {mark}", peer=somewhere), text(f"All {mark}", group="7@g.us", sender=someone))
    desk.tell(text(f"New {mark}", peer=stranger), text(f"We {mark}", group=f"{mark}{GROUP}", sender=stranger))
    desk.tell(ReactionReceived("Oc5", NOON, False, "", someone, someone, mark))
    first, second = desk.queue(phone=someone.pn), desk.queue(phone=stranger.pn)
    desk.take()
    desk.tell(acknowledged(first, f"1-{mark}", peer=someone), receipt(f"1-{mark}"), acknowledged(second, f"2-{mark}"))
    desk.tell(receipt(f"2-{mark}", "Oc8", f"early {mark}"))


def test_a_message_costs_as_much_among_thousands_as_among_few(desk: Desk) -> None:
    fill(desk)

    with explained("force_custom_plan") as knowing:
        what_happens(desk, "1")
    with explained("force_generic_plan") as guessing:
        what_happens(desk, "2")

    assert min(len(knowing), len(guessing)) > 50
    assert [plan for plan in knowing + guessing if most_rows(plan) > FEW] == []


#: Those whose columns another one begins with, and those for searches by how a key begins.
NEEDLESS = """
SELECT one.indexrelid::regclass::text FROM pg_index one JOIN pg_class ON pg_class.oid = one.indexrelid
WHERE relnamespace = current_schema()::regnamespace AND NOT one.indisunique AND (
    EXISTS (SELECT FROM pg_opclass WHERE oid = ANY(one.indclass) AND opcname LIKE '%pattern_ops')
    OR EXISTS (
        SELECT FROM pg_index other JOIN pg_class there ON there.oid = other.indexrelid
        WHERE other.indrelid = one.indrelid AND other.indexrelid <> one.indexrelid AND there.relam = pg_class.relam
        AND other.indkey::text || ' ' LIKE one.indkey::text || ' %'
        AND (other.indpred IS NULL OR other.indpred::text = one.indpred::text)
    )
) ORDER BY 1
"""


def test_no_row_is_written_into_an_index_that_another_one_makes_needless(desk: Desk) -> None:
    with connection.cursor() as cursor:
        cursor.execute(NEEDLESS)
        assert cursor.fetchall() == []
        cursor.execute("CREATE INDEX needless ON whatsapp_message (account_id)")
        cursor.execute(NEEDLESS)
        assert cursor.fetchall() == [("needless",)]
