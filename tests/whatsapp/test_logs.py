"""Log lines: what they are about stands in fields; what rows, codes and messages say stands in none."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import DataError, IntegrityError, connection, transaction

from config.logs import JsonLines, TextLines
from fleet.states import State
from tenants.context import arun_in, run_in
from tenants.models import Company
from tests.whatsapp.desk import Desk, text
from tests.whatsapp.harbour import Harbour
from wharf.logs import about, process_name
from whatsapp.models import Chat, Message, MessageStatus

SECRET = 'Acmesquestion\nin two lines, with "quotes" and (brackets)'


class Kept(logging.Handler):
    """Keeps lines as the formatter makes them, in the thread and at the moment at which they are written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(formatter)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def last(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.lines[-1])
        return found


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger, handler = logging.getLogger("whatsapp.test"), Kept(JsonLines())
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def kept(logger: logging.Logger) -> Kept:
    handler = logger.handlers[0]
    assert isinstance(handler, Kept)
    return handler


def test_a_line_says_when_where_and_what_it_is_about(logger: logging.Logger) -> None:
    with about(company_id="c1"), about(session_id="s1"):
        logger.warning("claimed %d sessions", 3)
    inside = kept(logger).last
    logger.info("later")

    assert {name: inside[name] for name in ("level", "logger", "message", "company_id", "session_id")} == {
        "level": "WARNING",
        "logger": "whatsapp.test",
        "message": "claimed 3 sessions",
        "company_id": "c1",
        "session_id": "s1",
    }
    assert inside["time"].endswith("+00:00")
    assert isinstance(inside["pid"], int)
    assert inside["process"]
    assert not {"company_id", "session_id"} & kept(logger).last.keys()


def test_the_process_is_named_by_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/app/manage.py", "runsessions", "--capacity", "5"])
    worker = process_name()
    monkeypatch.setattr(sys, "argv", ["/app/.venv/bin/uvicorn", "config.asgi:application"])

    assert (worker, process_name()) == ("runsessions", "web")


def test_whatever_runs_in_a_companys_schema_says_whose(acme: Company, globex: Company, logger: logging.Logger) -> None:
    run_in(acme, logger.info, "here")
    first = kept(logger).last
    run_in(globex, logger.info, "there")

    assert (first["company_id"], kept(logger).last["company_id"]) == (acme.pk, globex.pk)


@pytest.mark.django_db(transaction=True)
async def test_tasks_and_threads_inherit_what_it_is_about(
    live_companies: tuple[Company, Company], logger: logging.Logger
) -> None:
    with about(session_id="s1"):
        task = asyncio.create_task(arun_in(live_companies[0], logger.info, "in a thread"))
    await task

    assert (kept(logger).last["session_id"], kept(logger).last["company_id"]) == ("s1", live_companies[0].pk)


@pytest.mark.parametrize("formatter", [JsonLines, TextLines])
def test_a_database_error_is_told_without_what_stands_in_the_row(
    acme: Company, logger: logging.Logger, formatter: type[logging.Formatter]
) -> None:
    kept(logger).setFormatter(formatter())
    run_in(acme, partial(_store_the_impossible, acme, logger))
    line = kept(logger).lines[-1]

    assert "Acmesquestion" not in line
    assert "in two lines" not in line
    assert "IntegrityError" in line
    assert "one_row_a_message" in line
    assert "[23505]" in line
    assert "Traceback (most recent call last)" in line


def _store_the_impossible(acme: Company, logger: logging.Logger) -> None:
    """A second row of the same message; PostgreSQL's answer quotes values of it."""
    desk = Desk.open(acme)
    desk.tell(text(SECRET, wa_id="Acmesquestion-id"))
    row = Message.objects.get(chat=Chat.objects.get())
    row.pk = "another"
    with pytest.raises(IntegrityError, match="Acmesquestion") as caught, transaction.atomic():
        row.save(force_insert=True)
    logger.error("session %s: cannot be stored", desk.session_id, exc_info=caught.value)


@pytest.mark.django_db
def test_a_value_that_the_database_quotes_in_its_sentence_is_left_out(logger: logging.Logger) -> None:
    with pytest.raises(DataError, match="Acmesquestion") as caught, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT CAST(%s::text AS integer)", [SECRET])
    logger.error("broken", exc_info=caught.value)

    assert "Acmesquestion" not in kept(logger).lines[-1]
    assert "[22P02]" in kept(logger).last["traceback"]


@pytest.mark.django_db(transaction=True)
def test_neither_texts_nor_codes_nor_numbers_of_customers_are_logged(harbour: Harbour) -> None:
    """A real worker at its most talkative, through linking and messages both ways."""
    root, everything = logging.getLogger(), Kept(JsonLines())
    level = root.level
    root.addHandler(everything)
    root.setLevel(logging.DEBUG)
    try:
        shop, bob = harbour.phone("Acmesshop"), harbour.phone("Bobwhoisacmes")
        session_id = harbour.new_session("Front desk")
        qr = harbour.qr(session_id)
        harbour.wa.scan(shop, qr)
        harbour.shows(session_id, State.CONNECTED)
        harbour.wa.send_text(bob, shop, "Acmesquestion")
        harbour.received("Acmesquestion")
        harbour.becomes(harbour.sends(session_id, bob, "Acmesanswer"), MessageStatus.DELIVERED)
        harbour.worker.stop()
    finally:
        root.removeHandler(everything)
        root.setLevel(level)

    ours = [json.loads(line) for line in everything.lines if '"logger": "whatsapp' in line]
    said = "\n".join(json.dumps(line, ensure_ascii=False) for line in ours)
    for secret in ("Acmesquestion", "Acmesanswer", "Bobwhoisacmes", qr, bob.number):
        assert secret not in said
    connected = [line for line in ours if "-> connected" in line["message"]]
    assert [(line["session_id"], line["company_id"]) for line in connected] == [(session_id, harbour.company.pk)]


def test_causes_and_groups_are_told_too(logger: logging.Logger) -> None:
    try:
        try:
            raise psycopg.OperationalError("the server went away")
        except psycopg.Error as error:
            raise ExceptionGroup("several", [ValueError("one"), KeyError("two")]) from error
    except ExceptionGroup:
        logger.exception("broken")

    told = kept(logger).last["traceback"]
    assert "psycopg.OperationalError" in told
    assert "direct cause" in told
    assert "ValueError: one" in told
    assert "KeyError: 'two'" in told
