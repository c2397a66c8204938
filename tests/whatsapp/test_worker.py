"""The worker with real hosts on the sandbox: what people want comes true, and nothing that happens is lost."""

from tests.whatsapp.harbour import Harbour
from whatsapp.models import MessageStatus


def test_a_phone_links_by_qr_and_messages_flow_both_ways(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)

    harbour.wa.send_text(bob, shop, "Are you open?")
    question = harbour.received("Are you open?")

    assert question.sender is not None
    assert (question.sender.phone_number, question.sender.push_name) == (bob.number, "Bob")
    answer = harbour.sends(session_id, bob, "We are open.")
    row = harbour.becomes(answer, MessageStatus.DELIVERED)
    assert row.chat_id == question.chat_id
    harbour.wa.read(bob, shop, [row.wa_id])
    harbour.becomes(answer, MessageStatus.READ)
