"""A request that is said again with its key is answered again and done once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Role
from tenants.context import run_in
from tenants.models import Company
from tests.accounts.races import in_its_own_connection
from tests.accounts.test_api_keys import make_key, with_key
from tests.conftest import ApiClients
from tests.people import Person, client_for, make_person
from tests.whatsapp.desk import BOB, EVE, Desk, text
from whatsapp.errors import RequestInProgress
from whatsapp.models import IdempotencyKey, Message, Session
from whatsapp.services import repeats
from whatsapp.tasks import forget_idempotency_keys

pytestmark = pytest.mark.django_db

SESSIONS = "/api/whatsapp/sessions"
BODY = {"phone": f"+{BOB.pn}", "message": "Your table is ready"}


def send(client: APIClient, desk: Desk, key: str | None = "order-17", body: Any = None, path: str = "messages") -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"{SESSIONS}/{desk.session_id}/{path}", body or BODY, format="json", headers=headers)


def bodies() -> list[str]:
    return list(Message.objects.order_by("id").values_list("body", flat=True))


def check_same(first: Any, again: Any) -> None:
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


# -- once ------------------------------------------------------------------------------------------------------------
def test_said_again_it_is_answered_the_same_and_done_once(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    client = api(acme_admin)

    first, again = send(client, desk), send(client, desk)

    check_same(first, again)
    assert (first.status_code, Message.objects.count()) == (202, 1)


def test_without_a_key_everything_is_done(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    send(api(acme_admin), desk, key=None)
    send(api(acme_admin), desk, key=None)

    assert Message.objects.count() == 2
    assert not IdempotencyKey.objects.exists()


def test_every_way_of_making_something_can_be_said_again(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    desk.tell(text("Question"))
    chat, client = desk.chat().pk, api(acme_admin)
    ways = [
        (f"{desk.session_id}/messages", BODY),
        (f"{desk.session_id}/send", BODY),
        (f"{desk.session_id}/chats/{chat}/send", {"message": "One"}),
        (f"{desk.session_id}/chats/{chat}/messages", {"message": "Two"}),
        (f"{desk.session_id}/messages/batch", {"messages": [BODY]}),
    ]
    for number, (path, body) in enumerate(ways):
        asked: dict[str, Any] = {"format": "json", "headers": {"Idempotency-Key": f"way {number}"}}
        check_same(*(client.post(f"{SESSIONS}/{path}", body, **asked) for _ in range(2)))

    gateway: Any = {"format": "json", "headers": {"Idempotency-Key": "gateway"}}
    body = {**BODY, "companyId": desk.session_id}
    check_same(*(client.post("/webhook/whatsapp/baileys/send", body, **gateway) for _ in range(2)))
    assert Message.objects.filter(from_me=True).count() == len(ways) + 1

    Company.objects.filter(pk=desk.company.pk).update(max_sessions=9)
    made: Any = {"format": "json", "headers": {"Idempotency-Key": "a session"}}
    check_same(*(client.post(SESSIONS, {"name": "Second"}, **made) for _ in range(2)))
    assert Session.objects.filter(name="Second").count() == 1


def test_the_answer_is_the_one_that_was_given_whatever_has_become_of_it(
    desk: Desk, acme_admin: Person, api: ApiClients
) -> None:
    first = send(api(acme_admin), desk)
    desk.take()

    again = send(api(acme_admin, language="ru"), desk)

    check_same(first, again)
    assert again.json()["data"]["status"] == "queued"


# -- mistakes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("messages", {**BODY, "message": "Another text"}),
        ("messages", {**BODY, "priority": 1}),
        ("messages?x=1", BODY),
        ("send", BODY),
    ],
)
def test_another_request_under_the_same_key_is_a_mistake(
    desk: Desk, acme_admin: Person, api: ApiClients, path: str, body: Any
) -> None:
    send(api(acme_admin), desk)

    answer = send(api(acme_admin), desk, body=body, path=path)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Message.objects.count() == 1


def test_the_same_request_laid_out_otherwise_is_the_same(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    first = send(api(acme_admin), desk)

    check_same(first, send(api(acme_admin), desk, body=dict(reversed(BODY.items()))))
    check_same(first, send(api(acme_admin), desk, key='"order-17"'))


def test_what_failed_leaves_the_key_free(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    client = api(acme_admin)
    for wrong in ({**BODY, "phone": "12"}, {**BODY, "message": ""}, {**BODY, "priority": "high"}):
        assert send(client, desk, body=wrong).status_code == 400
    assert send(client, desk, path="chats/nowhere/send").status_code == 404

    assert send(client, desk).status_code == 202
    assert bodies() == [BODY["message"]]


@pytest.mark.parametrize("key", ["", " ", '""', "x" * 256, "ключ", "tab\there", "bell\x07"])
def test_a_key_that_is_none_is_refused(desk: Desk, acme_admin: Person, api: ApiClients, key: str) -> None:
    answer = send(api(acme_admin), desk, key=key)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")
    assert not Message.objects.exists()


def test_the_longest_key_is_one(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    key = "~ " * 127 + "x"

    check_same(send(api(acme_admin), desk, key=key), send(api(acme_admin), desk, key=key))


# -- whose -----------------------------------------------------------------------------------------------------------
def test_a_key_is_its_callers_own(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    _, key = make_key(api, acme_admin)
    callers = [api(acme_admin), api(make_person(desk.company, Role.ADMIN)), with_key(key)]

    for client in callers:
        check_same(send(client, desk), send(client, desk))

    assert Message.objects.count() == len(callers)
    assert key not in str(list(IdempotencyKey.objects.values()))


def test_a_key_means_nothing_in_another_company(desk: Desk, globex: Company, acme_admin: Person) -> None:
    send(client_for(acme_admin), desk)
    stranger = client_for(make_person(globex, Role.ADMIN))

    answer = send(stranger, desk)

    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
    assert "Idempotency-Replayed" not in answer.headers


# -- for a day -------------------------------------------------------------------------------------------------------
def test_after_a_day_a_key_is_forgotten(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    send(api(acme_admin), desk)
    send(api(acme_admin), desk, key="fresh", body={**BODY, "phone": f"+{EVE.pn}"})
    IdempotencyKey.objects.filter(key="order-17").update(created_at=timezone.now() - timedelta(hours=25))

    forget_idempotency_keys(timestamp=0)

    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["fresh"]


def test_an_old_key_counts_no_more_even_before_it_is_forgotten(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    send(api(acme_admin), desk)
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))

    again = send(api(acme_admin), desk, body={**BODY, "message": "Another day"})

    assert again.status_code == 202
    assert bodies() == [BODY["message"], "Another day"]


# -- two at once -----------------------------------------------------------------------------------------------------
LIVE = pytest.mark.django_db(transaction=True)


@LIVE
def test_who_comes_while_the_first_is_under_way_is_told_so(live_companies: tuple[Company, Company]) -> None:
    acme, _ = live_companies
    desk, client = run_in(acme, Desk.open, acme), client_for(make_person(acme, Role.ADMIN))
    begun, may_end = threading.Event(), threading.Event()

    def slow() -> repeats.Answer:
        begun.set()
        may_end.wait(30)
        return repeats.Answer(202, "{}")

    asked = repeats.Asked(f"person:{make_person(acme, Role.ADMIN).user.pk}", "k", "f")
    thread = threading.Thread(target=in_its_own_connection, args=[run_in, acme, repeats.once, asked, slow])
    thread.start()
    begun.wait(30)

    with pytest.raises(RequestInProgress):
        run_in(acme, repeats.once, asked, slow)
    assert send(client, desk, key="k").status_code == 202, "another caller's key is another key"
    may_end.set()
    thread.join(30)
    assert run_in(acme, repeats.once, asked, slow).is_replayed


@LIVE
def test_many_at_once_with_one_key_make_one_message(live_companies: tuple[Company, Company]) -> None:
    acme, _ = live_companies
    desk, person = run_in(acme, Desk.open, acme), make_person(acme, Role.ADMIN)
    start, answers = threading.Barrier(6), []

    def ask() -> None:
        client = client_for(person)
        connection.ensure_connection()
        start.wait(30)
        while (answer := send(client, desk)).status_code == 409:
            assert (answer.json()["code"], answer.headers["Retry-After"]) == ("request_in_progress", "1")
        answers.append(answer)

    threads = [threading.Thread(target=in_its_own_connection, args=[ask]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    assert len(answers) == 6
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert run_in(acme, Message.objects.count) == 1


@LIVE
def test_what_was_undone_is_not_remembered(live_companies: tuple[Company, Company]) -> None:
    acme, _ = live_companies
    desk, client = run_in(acme, Desk.open, acme), client_for(make_person(acme, Role.ADMIN))

    class PowerCut(Exception): ...

    def ask_and_die() -> None:
        with transaction.atomic():
            send(client, desk)
            raise PowerCut

    with pytest.raises(PowerCut):
        run_in(acme, ask_and_die)
    assert run_in(acme, Message.objects.count) == 0

    answer = send(client, desk)
    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (202, False)
