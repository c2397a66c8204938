"""The inbound webhook (seed contract 4.2, row 87): who signs sends texts, and nobody else; the same request once."""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.permissions import ROLE_PERMISSIONS, SIGNED, SYSTEM, Permission
from fleet.models import Placement
from tenants.context import run_in
from tenants.domains import save_domain
from tenants.models import Company
from tests.people import Person, client_for
from tests.whatsapp.test_api import make_linked
from whatsapp.models import InboundSecret, Message
from whatsapp.services import lines, signed

pytestmark = pytest.mark.django_db

PATH: Final = "/webhook/whatsapp/baileys"
SECRETS: Final = "/api/whatsapp/inbound-webhook"
PHONE: Final = "4915550000077"


@pytest.fixture
def session_id(acme: Company, acme_admin: Person) -> str:
    return make_linked(acme, acme_admin)


@pytest.fixture
def secret(acme: Company, session_id: str) -> str:
    return new_secret(acme)


@pytest.fixture
def admin(acme_admin: Person) -> APIClient:
    return client_for(acme_admin)


def new_secret(company: Company) -> str:
    return run_in(company, lambda: signed.rotate(company=company, by=SYSTEM)[1])


def now() -> str:
    return str(int(timezone.now().timestamp()))


def signature(secret: str, body: bytes, timestamp: str, address: str = PATH, method: str = "POST") -> str:
    content = f"{method}:{address}:{timestamp}:".encode() + body
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def body_of(company: Company | None, **words: Any) -> bytes:
    named = {"companyId": company.pk} if company else {}
    return json.dumps({**named, "phone": PHONE, "message": "Your table is ready", **words}).encode()


def post(body: bytes, *, timestamp: str = "", sign: str = "", address: str = PATH) -> Any:
    headers = {"X-Timestamp": timestamp, "X-Signature": sign}
    given = {name: value for name, value in headers.items() if value}
    return Client().post(address, body, content_type="application/json", headers=given)


def ask(secret: str, body: bytes, timestamp: str = "", address: str = PATH) -> Any:
    stamp = timestamp or now()
    return post(body, timestamp=stamp, sign=signature(secret, body, stamp, address), address=address)


def texts(company: Company) -> list[str]:
    return run_in(company, lambda: list(Message.objects.order_by("id").values_list("body", flat=True)))


def check_refused(answer: Any, text: str, code: str) -> None:
    body = json.loads(answer.content)
    assert (answer.status_code, body["success"], body["error"], body["code"]) == (401, False, text, code)


# -- sending ---------------------------------------------------------------------------------------------------------
def test_who_signs_sends_a_text(acme: Company, secret: str, session_id: str) -> None:
    answer = ask(secret, body_of(acme))

    row = run_in(acme, Message.objects.get)
    assert (answer.status_code, answer.json()["success"], answer.json()["message"]) == (200, True, "Webhook processed")
    assert (answer.json()["messageId"], answer.json()["phone"], answer.json()["status"]) == (row.pk, PHONE, "queued")
    assert (row.body, row.session_id, row.sent_by_id, row.from_me) == ("Your table is ready", session_id, None, True)


@pytest.mark.parametrize("name", ["session", "slug", "company_slug"])
def test_a_session_or_the_company_is_named_as_with_lines(
    acme: Company, secret: str, session_id: str, name: str
) -> None:
    named = {"session": session_id, "slug": acme.slug, "company_slug": f"company_{acme.slug}"}[name]

    assert ask(secret, body_of(None, companyId=named)).status_code == 200
    assert texts(acme) == ["Your table is ready"]


def test_timestamps_may_be_milliseconds_and_signatures_in_capitals(acme: Company, secret: str) -> None:
    stamp, body = f"{now()}000", body_of(acme)

    assert post(body, timestamp=stamp, sign=signature(secret, body, stamp).upper()).status_code == 200


def test_what_cannot_be_sent_is_told_as_everywhere(acme: Company, secret: str) -> None:
    empty = ask(secret, body_of(acme, message=" "))
    number = ask(secret, body_of(acme, phone="12"))
    action = ask(secret, body_of(acme, action="message"))
    unknown = ask(secret, json.dumps(["x"]).encode())

    assert [answer.status_code for answer in (empty, number, action, unknown)] == [400, 400, 400, 401]
    assert action.json()["code"] == "unknown_action", "nobody puts words into a customer's mouth"
    assert texts(acme) == []


def test_more_than_thirty_a_minute_to_one_number_are_refused(
    acme: Company, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "TEXTS_A_MINUTE", 1)
    ask(secret, body_of(acme, message="One"))

    assert ask(secret, body_of(acme, message="Two")).status_code == 429


# -- being believed --------------------------------------------------------------------------------------------------
def test_without_both_headers_nothing_is_believed(acme: Company, secret: str) -> None:
    body, stamp = body_of(acme), now()

    for headers in ({}, {"timestamp": stamp}, {"sign": signature(secret, body, stamp)}):
        check_refused(post(body, **headers), "Missing authentication headers", "signature_missing")
    assert texts(acme) == []


# What lies ahead comes nearer while it is asked.
@pytest.mark.parametrize("seconds", [-301, 400, -(10**9)])
def test_a_timestamp_is_at_most_five_minutes_off(acme: Company, secret: str, seconds: int) -> None:
    stamp = str(int(timezone.now().timestamp()) + seconds)

    check_refused(ask(secret, body_of(acme), stamp), "Request timestamp too old", "signature_too_old")


@pytest.mark.parametrize("seconds", [-240, 299])
def test_clocks_may_differ_a_little(acme: Company, secret: str, seconds: int) -> None:
    assert ask(secret, body_of(acme), str(int(timezone.now().timestamp()) + seconds)).status_code == 200


@pytest.mark.parametrize("stamp", ["soon", "-5", "1e9", "²", "9" * 400])
def test_what_is_no_timestamp_is_too_old(acme: Company, secret: str, stamp: str) -> None:
    answer = post(body_of(acme), timestamp=stamp, sign="00")

    check_refused(answer, "Request timestamp too old", "signature_too_old")


def test_whatever_is_changed_breaks_the_signature(acme: Company, secret: str) -> None:
    body, stamp = body_of(acme), now()
    right = signature(secret, body, stamp)
    later = str(int(stamp) + 1)
    changed = {
        "the body": post(body + b" ", timestamp=stamp, sign=right),
        "the timestamp": post(body, timestamp=later, sign=right),
        "the address": post(body, timestamp=stamp, sign=right, address=f"{PATH}?x=1"),
        "the method": post(body, timestamp=stamp, sign=signature(secret, body, stamp, method="GET")),
        "the secret": post(body, timestamp=stamp, sign=signature(f"{secret}x", body, stamp)),
        "itself": post(body, timestamp=stamp, sign=right[:-1]),
        "letters": post(body, timestamp=stamp, sign="é" * 64),
    }
    for answer in changed.values():
        check_refused(answer, "Invalid signature", "signature_wrong")
    assert texts(acme) == []


def test_without_a_secret_nothing_is_believed(acme: Company, session_id: str) -> None:
    for secret in ("", "whin_"):
        check_refused(ask(secret, body_of(acme)), "Invalid signature", "signature_wrong")


def test_a_secret_that_cannot_be_read_any_more_is_none(acme: Company, globex: Company, secret: str) -> None:
    new_secret(globex)
    foreign = run_in(globex, lambda: InboundSecret.objects.get().sealed_secret)
    run_in(acme, lambda: InboundSecret.objects.update(sealed_secret=foreign))

    for key in (secret, ""):
        check_refused(ask(key, body_of(acme)), "Invalid signature", "signature_wrong")


def test_another_companys_secret_opens_nothing_of_acmes(
    acme: Company, globex: Company, secret: str, session_id: str
) -> None:
    foreign = new_secret(globex)

    for named in (acme.pk, acme.slug, session_id, "default", "", "nobody", "\0"):
        body = body_of(None, companyId=named)
        check_refused(ask(foreign, body), "Invalid signature", "signature_wrong")
    assert texts(acme) == []


def test_on_a_companys_own_host_name_it_alone_is_asked(
    acme: Company, globex: Company, globex_admin: Person, secret: str
) -> None:
    make_linked(globex, globex_admin, "4915550000009")
    foreign = new_secret(globex)
    save_domain(company=globex, name="chat.globex.test")
    stamp = now()

    def ask_there(key: str, body: bytes) -> Any:
        headers = {"X-Timestamp": stamp, "X-Signature": signature(key, body, stamp), "Host": "chat.globex.test"}
        return Client().post(PATH, body, content_type="application/json", headers=headers)

    assert ask_there(foreign, body_of(None, companyId="default")).status_code == 200
    check_refused(ask_there(secret, body_of(acme)), "Invalid signature", "signature_wrong")
    assert (texts(acme), texts(globex)) == ([], ["Your table is ready"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_active": False}, (401, "company_inactive")),
        ({"subscription_expires_at": "2020-01-01T00:00Z"}, (403, "subscription_expired")),
    ],
)
def test_a_company_that_is_closed_sends_nothing(acme: Company, secret: str, change: Any, code: Any) -> None:
    Company.objects.filter(pk=acme.pk).update(**change)

    answer = ask(secret, body_of(acme))

    assert (answer.status_code, answer.json()["code"]) == code
    check_refused(ask("wrong", body_of(acme)), "Invalid signature", "signature_wrong")


def test_who_signs_may_send_and_nothing_else() -> None:
    assert ROLE_PERMISSIONS[SIGNED] == {Permission.SESSION_VIEW, Permission.CHAT_WRITE}


def test_the_sentences_are_the_same_in_every_language(acme: Company, secret: str) -> None:
    answer = Client().post(PATH, b"{}", content_type="application/json", headers={"Accept-Language": "ru"})

    check_refused(answer, "Missing authentication headers", "signature_missing")


# -- said again ------------------------------------------------------------------------------------------------------
def test_the_same_request_sends_once(acme: Company, secret: str) -> None:
    body, stamp = body_of(acme), now()

    first, again = ask(secret, body, stamp), ask(secret, body, stamp)
    capitals = post(body, timestamp=stamp, sign=signature(secret, body, stamp).upper())

    assert first.json() == again.json() == capitals.json()
    assert (first.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    assert texts(acme) == ["Your table is ready"]


def test_an_id_of_the_programs_own_sends_once_however_it_is_signed(acme: Company, secret: str) -> None:
    stamp = int(now())
    body = body_of(acme, id="order 7")

    answers = [ask(secret, body, str(stamp + n)) for n in range(3)]
    other = ask(secret, body_of(acme, id="order 7", message="Another text"))

    assert len({answer.content for answer in answers}) == 1
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert texts(acme) == ["Your table is ready"]


def test_the_same_words_later_are_sent_again(acme: Company, secret: str) -> None:
    stamp = int(now())

    ask(secret, body_of(acme), str(stamp))
    ask(secret, body_of(acme), str(stamp + 1))

    assert len(texts(acme)) == 2


def test_what_was_refused_may_be_tried_again(acme: Company, secret: str, session_id: str) -> None:
    body, stamp = body_of(acme), now()
    Placement.objects.filter(pk=session_id).update(wanted="stopped")
    refused = ask(secret, body, stamp)
    Placement.objects.filter(pk=session_id).update(wanted="running")

    assert refused.status_code == 503
    assert ask(secret, body, stamp).status_code == 200


# -- the secret ------------------------------------------------------------------------------------------------------
def test_an_admin_makes_a_secret_which_is_shown_once_and_stored_sealed(acme: Company, admin: APIClient) -> None:
    none = admin.get(SECRETS).json()["data"]
    made = admin.post(f"{SECRETS}/rotate-secret").json()["data"]
    later = admin.get(SECRETS).json()["data"]

    assert none == {"enabled": False, "createdAt": None, "previousSecretUntil": None}
    assert made["secret"].startswith("whin_")
    assert later == {"enabled": True, "createdAt": made["createdAt"], "previousSecretUntil": None}
    assert made["secret"].encode().hex() not in run_in(acme, _everything)


def _everything() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, ' ') FROM whatsapp_inboundsecret t")
        return str(cursor.fetchone()[0])


def test_an_old_secret_is_good_for_another_day(acme: Company, secret: str, admin: APIClient) -> None:
    made = admin.post(f"{SECRETS}/rotate-secret").json()["data"]

    assert made["previousSecretUntil"] is not None
    assert [ask(key, body_of(acme, id=key)).status_code for key in (secret, made["secret"])] == [200, 200]

    ended = timezone.now() - timedelta(seconds=1)
    run_in(acme, lambda: InboundSecret.objects.update(previous_secret_until=ended))
    check_refused(ask(secret, body_of(acme)), "Invalid signature", "signature_wrong")
    assert ask(made["secret"], body_of(acme)).status_code == 200


def test_a_secret_can_be_taken_away_at_once(acme: Company, secret: str, admin: APIClient) -> None:
    assert [admin.delete(SECRETS).status_code for _ in range(2)] == [200, 200]

    check_refused(ask(secret, body_of(acme)), "Invalid signature", "signature_wrong")


def test_managers_are_told_that_this_is_for_admins(acme_manager: Person) -> None:
    client = client_for(acme_manager)

    for answer in (client.get(SECRETS), client.delete(SECRETS), client.post(f"{SECRETS}/rotate-secret")):
        assert (answer.status_code, answer.json()["code"]) == (403, "admins_only")
