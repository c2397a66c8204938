"""One port, one server (seed row 103)."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.surfaces import SURFACES, silent_surfaces
from tests.product import ROOT, Running, free_port
from tests.socketio.clients import AS_DOCUMENTED, Client
from tests.socketio.conftest import NEEDS_CLIENTS
from tests.waiting import eventually


@pytest.mark.django_db(transaction=True)
def test_everything_answers_on_one_port(server: str) -> None:
    assert silent_surfaces(server) == []


def test_where_nothing_listens_everything_is_silent() -> None:
    assert silent_surfaces(f"http://127.0.0.1:{free_port()}") == list(SURFACES)


@pytest.mark.django_db(transaction=True)
def test_operators_may_ask(server: str) -> None:
    ask = [sys.executable, "-m", "config.surfaces"]
    done = subprocess.run([*ask, server], cwd=ROOT, capture_output=True, text=True)
    nowhere = subprocess.run([*ask, f"http://127.0.0.1:{free_port()}"], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stdout.count(": ok")) == (0, len(SURFACES))
    assert (nowhere.returncode, nowhere.stdout.count("does not answer")) == (1, len(SURFACES))


@NEEDS_CLIENTS
@pytest.mark.story
def test_the_older_systems_clients_use_the_whole_product(tmp_path: Path) -> None:
    """Linking by the QR code of an event, a question, an answer, reading and unlinking, by clients 4 and 2."""
    with Running(tmp_path) as wharf:
        eventually(lambda: "REST, WebSocket and Socket.IO answer on one port" in wharf.log(), what="the start-up check")
        wharf.manage("create_company", "Ромашка", "--max-sessions", "3", "--allow-sandbox")
        made = wharf.manage("create_member", "anna@romashka.test", "--company", "romashka", "--role", "admin")
        admin = wharf.person(made["email"], made["password"])
        shop, customer = wharf.phone("79000000011", "Ромашка"), wharf.phone("79000000012", "Вера")
        session = admin.creates_a_session("Front desk")
        config = admin.get("/api/whatsapp/websocket/config")
        now = Client(4, config["full_url"], **AS_DOCUMENTED, auth={"token": admin.token})
        older = Client(2, config["full_url"], query={"token": admin.token})
        try:
            for client in (now, older):
                assert client.calls("whatsapp:join_session", {"sessionId": session})["success"]
            # As the older system's pages do, the code is asked for once as well: it may have been there before them.
            now.hears("whatsapp:qr")
            answer = admin.get(f"/api/whatsapp/sessions/{session}/qr")["data"]
            shop.scans(answer["qr"])
            for client in (now, older):
                assert client.hears("whatsapp:ready")["phoneNumber"] == shop.number

            customer.sends(shop, "Вы открыты?")
            questions = [client.hears("whatsapp:new_message") for client in (now, older)]
            where = {"sessionId": session, "chatId": questions[0]["chat"]["id"]}
            assert now.calls("whatsapp:send_message", {**where, "message": "Да, до восьми."})["success"]
            customer.receives("Да, до восьми.")
            for client in (now, older):
                client.hears("whatsapp:message_sent")
            assert [m["text"] for m in customer.inbox()].count("Да, до восьми.") == 1
            assert older.calls("whatsapp:mark_chat_as_read", where)["data"]["markedCount"] == 1

            shop.unlinks()
            for client in (now, older):
                assert client.hears("whatsapp:disconnected")["reason"] == "logged_out_on_phone"
        finally:
            now.ends()
            older.ends()
