"""The story that Wharf is for, told once from end to end: the README's quick start, and nothing in it is pretended.

Real processes (web, worker, hosts, jobs), real neonize, real PostgreSQL and Valkey; only WhatsApp is the sandbox.
"""

from pathlib import Path

import pytest

from tests.product import Running


@pytest.mark.story
def test_a_company_links_a_number_and_answers_a_customer(tmp_path: Path) -> None:
    with Running(tmp_path) as wharf:
        # A company is made, with an admin and a manager.
        company = wharf.manage("create_company", "Ромашка", "--max-sessions", "3", "--allow-sandbox")
        assert company["slug"] == "romashka"
        anna, oleg = (
            wharf.manage("create_member", f"{name}@romashka.test", "--company", "romashka", "--role", role)
            for name, role in (("anna", "admin"), ("oleg", "manager"))
        )
        admin = wharf.person(anna["email"], anna["password"])
        manager = wharf.person(oleg["email"], oleg["password"])
        shop, customer = wharf.phone("79000000001", "Ромашка"), wharf.phone("79000000002", "Вера")

        with admin.watching() as admins_screen, manager.watching() as managers_screen:
            # Its admin creates a session and grants it to the manager.
            session = admin.creates_a_session("Front desk")
            admin.grants(session, to=manager)

            # The manager scans the QR code, and both see it connected.
            shop.scans(managers_screen.qr(session))
            for screen in (admins_screen, managers_screen):
                screen.hears("session.changed", session__id=session, session__state="connected")

            # A customer's text arrives.
            customer.sends(shop, "Вы открыты?")
            question = managers_screen.hears("message.new", message__body="Вы открыты?")
            assert question["chat"]["contact"]["phone"] == customer.number

            # The answer reaches the customer, and turns read.
            answer = manager.answers(session, question["chat"]["id"], "Да, до восьми.")
            customer.reads(customer.receives("Да, до восьми."))
            managers_screen.hears("message.status", id=answer, status="read")

        # Everything restarts, and the session is back without a QR code.
        wharf.stops()
        wharf.starts()
        with admin.watching() as admins_screen, manager.watching() as managers_screen:
            admins_screen.hears("snapshot")
            admins_screen.shows(session, "connected")
            history = admin.get(f"/api/whatsapp/sessions/{session}/transitions?limit=200")["data"]
            assert sum(row["reason"] == "waiting_for_scan" for row in history) == 1
            customer.sends(shop, "Спасибо!")
            managers_screen.hears("message.new", message__body="Спасибо!")

            # The phone unlinks it, and everyone is told why.
            shop.unlinks()
            for screen in (admins_screen, managers_screen):
                told = screen.hears("session.changed", session__id=session, session__state="unpaired")
                assert told["session"]["reason"] == "logged_out_on_phone"
                assert told["session"]["reasonText"]
