"""What is put on a message here is kept first, leaves once and as it was last wished, and says how far it has come."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.permissions import SYSTEM
from fleet.models import Placement
from fleet.states import Wanted
from tenants.models import Company
from tests.conftest import ApiClients
from tests.pages.conftest import at_browser
from tests.people import Person as Somebody
from tests.waiting import eventually
from tests.whatsapp.desk import BOB, EVE, GROUP, NOON, SHOP, Desk, acknowledged, text
from tests.whatsapp.dock import Dock
from tests.whatsapp.harbour import Harbour
from whatsapp import live
from whatsapp.engine.port import Person, ReactionFinished, ReactionReceived, SendOutcome, SendReaction
from whatsapp.errors import BadReaction, MessageNotFound, MessageNotSentYet, SessionNotConnected
from whatsapp.models import Chat, Message, Reaction
from whatsapp.services import owning, reacting, sessions
from whatsapp.services.emoji import is_emoji
from whatsapp.services.reactions import reactions_to
from whatsapp.worker import run

pytestmark = pytest.mark.django_db


def put(desk: Desk, emoji: str, *, on: str = "Hello") -> Reaction:
    message = Message.objects.get(body=on)
    return reacting.react(
        company=desk.company, session_id=desk.session_id, message_id=message.pk, emoji=emoji, by=SYSTEM
    )


def answered(order: SendReaction, outcome: SendOutcome = SendOutcome.ACKNOWLEDGED, detail: str = "") -> Any:
    return ReactionFinished(order.reaction_id, outcome, at=NOON + 60, detail=detail)


def ours() -> tuple[str, str]:
    row = Reaction.objects.get(contact=None)
    return row.emoji, row.status


def on_phone(emoji: str, at: float) -> ReactionReceived:
    return ReactionReceived("IN-Hello", at, True, "", BOB, Person(pn=SHOP), emoji)


# -- on its way --------------------------------------------------------------------------------------------------------
def test_it_waits_is_handed_over_and_is_sent_when_whatsapp_has_it(desk: Desk) -> None:
    desk.tell(text("Hello"))

    put(desk, "👍")
    assert ours() == ("👍", "queued")
    (order,) = desk.take_reactions()
    assert ours() == ("👍", "sending")
    desk.tell(answered(order))

    assert ours() == ("👍", "sent")
    bob = f"{BOB.pn}@s.whatsapp.net"
    assert order == SendReaction(order.reaction_id, bob, "IN-Hello", from_me=False, sender="", emoji="👍")
    assert desk.take_reactions() == []


def test_of_several_wishes_that_have_not_left_the_last_one_leaves(desk: Desk) -> None:
    desk.tell(text("Hello"))
    for emoji in ("👍", "😂", "🎉"):
        put(desk, emoji)

    assert [order.emoji for order in desk.take_reactions()] == ["🎉"]


def test_an_answer_about_an_earlier_wish_says_nothing_of_this_one(desk: Desk) -> None:
    desk.tell(text("Hello"))
    put(desk, "👍")
    (first,) = desk.take_reactions()
    put(desk, "🎉")

    desk.tell(answered(first))
    assert ours() == ("🎉", "queued")
    (second,) = desk.take_reactions()
    desk.tell(answered(first, SendOutcome.REFUSED), answered(second))

    assert ours() == ("🎉", "sent")


def test_taking_back_sends_an_empty_one(desk: Desk) -> None:
    desk.tell(text("Hello"), on_phone("👍", NOON + 1))

    put(desk, "")
    (order,) = desk.take_reactions()
    desk.tell(answered(order))

    assert (order.emoji, ours()) == ("", ("", "sent"))
    assert reactions_to(Message.objects.all()) == {}


def test_wishing_what_is_so_already_sends_nothing(desk: Desk) -> None:
    desk.tell(text("Hello"))
    put(desk, "")
    assert not Reaction.objects.exists()
    desk.tell(on_phone("👍", NOON + 1))

    assert put(desk, "👍").status == ""
    assert desk.take_reactions() == []


def test_in_a_group_it_names_who_wrote_the_message_and_on_ones_own_nobody(desk: Desk) -> None:
    desk.tell(text("Hello", group=GROUP, sender=BOB), text("Ours", group=GROUP, from_me=True))
    put(desk, "👍")
    put(desk, "🎉", on="Ours")

    theirs, own = desk.take_reactions()

    assert (theirs.to, theirs.from_me, theirs.sender) == (GROUP, False, f"{BOB.lid}@lid")
    assert (own.to, own.from_me, own.sender) == (GROUP, True, "")


# -- what goes wrong ---------------------------------------------------------------------------------------------------
def test_one_that_whatsapp_refuses_says_so_and_can_be_wished_again(desk: Desk) -> None:
    desk.tell(text("Hello"))
    put(desk, "👍")
    (order,) = desk.take_reactions()

    desk.tell(answered(order, SendOutcome.REFUSED, "server returned error 479"))
    assert (ours(), Reaction.objects.get().error_code) == (("👍", "failed"), "whatsapp_479")

    put(desk, "👍")
    assert (ours(), Reaction.objects.get().error_code) == (("👍", "queued"), "")


def test_one_that_could_not_be_taken_back_is_still_there(desk: Desk) -> None:
    desk.tell(text("Hello"), on_phone("👍", NOON + 1))
    put(desk, "")
    (order,) = desk.take_reactions()

    desk.tell(answered(order, SendOutcome.REFUSED))

    assert ours() == ("👍", "failed")


def test_what_never_left_waits_and_what_nobody_answers_is_tried_three_times(desk: Desk) -> None:
    desk.tell(text("Hello"))
    put(desk, "👍")
    outcomes = [SendOutcome.NOT_SENT, *[SendOutcome.UNCONFIRMED] * 3]
    seen = []
    for outcome in outcomes:
        (order,) = desk.take_reactions()
        desk.tell(answered(order, outcome))
        seen.append(ours()[1])

    assert seen == ["queued", "queued", "queued", "failed"]
    assert Reaction.objects.get().error_code == "no_answer"


def test_what_a_host_took_with_it_is_sent_again(desk: Desk, tmp_path: Path) -> None:
    desk.tell(text("Hello"))
    put(desk, "👍")
    (first,) = desk.take_reactions()

    owning.prepare_start(company=desk.company, lease=desk.lease, folder=tmp_path)

    assert desk.take_reactions() == [first]


def test_a_later_one_of_the_phones_is_the_last_one_and_an_echo_is_not(desk: Desk) -> None:
    desk.tell(text("Hello"))
    put(desk, "👍")
    now = timezone.now().timestamp()

    desk.tell(on_phone("😂", now - 60))
    assert ours() == ("👍", "queued")
    desk.tell(on_phone("😂", now + 60))

    assert ours() == ("😂", "")
    assert desk.take_reactions() == []


def test_what_cannot_be_reacted_to_or_with_is_refused(desk: Desk) -> None:
    desk.tell(text("Hello"))
    desk.queue("Not there yet")

    with pytest.raises(MessageNotSentYet):
        put(desk, "👍", on="Not there yet")
    with pytest.raises(BadReaction):
        put(desk, "ok")
    with pytest.raises(MessageNotFound):
        reacting.react(company=desk.company, session_id=desk.session_id, message_id="x", emoji="👍", by=SYSTEM)
    Placement.objects.filter(pk=desk.session_id).update(wanted=Wanted.STOPPED)
    with pytest.raises(SessionNotConnected):
        put(desk, "👍")
    assert not Reaction.objects.exists()


ONE = ["👍", "❤️", "❤", "👍🏽", "👨‍👩‍👧‍👦", "🇩🇪", "1️⃣", "#️⃣", "👁️‍🗨️", "ℹ️", "‼️", "🧑🏽‍🤝‍🧑🏿"]
NOT_ONE = ["a", "1", "👍👍", "ok", "\u200d", "\ufe0f", " ", "é", "я", "🇩", "\0", "中", "!", "🇩🇪🇫🇷", "👍" * 40]


@pytest.mark.parametrize(("given", "is_one"), [*((each, True) for each in ONE), *((each, False) for each in NOT_ONE)])
def test_one_emoji_is_one_whatever_it_is_made_of(given: str, is_one: bool) -> None:
    assert is_emoji(given) == is_one


# -- over the surfaces -------------------------------------------------------------------------------------------------
def test_the_api_puts_follows_and_takes_back_a_reaction(desk: Desk, api: ApiClients, acme_admin: Somebody) -> None:
    desk.tell(text("Hello"))
    message = Message.objects.get()
    here, client = f"/api/whatsapp/sessions/{desk.session_id}/messages/{message.pk}", api(acme_admin)

    answer = client.post(f"{here}/reaction", {"emoji": "👍"}, format="json")
    assert answer.status_code == 202
    expected = {"id": message.pk, "chatId": message.chat_id, "emoji": "👍", "status": "queued"}
    assert answer.json()["data"] == expected
    (shown,) = client.get(here).json()["data"]["reactions"]
    assert (shown["emoji"], shown["fromMe"], shown["status"]) == ("👍", True, "queued")
    assert Reaction.objects.get().sent_by_id == acme_admin.user.pk

    assert client.post(f"{here}/reaction", {"emoji": ""}, format="json").json()["data"]["emoji"] == ""
    assert client.get(here).json()["data"]["reactions"] == []
    for wrong in ({}, {"emoji": "ok"}, {"emoji": ["👍"]}, {"emoji": "x" * 33}):
        assert client.post(f"{here}/reaction", wrong, format="json").status_code == 400, wrong


def test_the_older_route_finds_the_message_by_phone_and_either_id(
    desk: Desk, api: ApiClients, acme_admin: Somebody, acme: Company
) -> None:
    desk.tell(text("Hello"))
    message, client, path = Message.objects.get(), api(acme_admin), "/api/whatsapp/reaction"
    asked = {"phone": f"+{BOB.pn}", "emoji": "👍", "companyId": f"company_{acme.pk}"}

    for message_id in (message.pk, message.wa_id):
        answer = client.post(path, {**asked, "messageId": message_id}, format="json")
        assert answer.json() == {
            "success": True, "companyId": asked["companyId"], "phone": asked["phone"], "messageId": message_id,
            "emoji": "👍", "status": "queued",
        }  # fmt: skip
    desk.tell(text("Of another chat", peer=EVE))
    for unknown in ("nobodys", Message.objects.get(body="Of another chat").pk):
        refused = client.post(path, {**asked, "messageId": unknown}, format="json")
        assert (refused.status_code, refused.json()["code"]) == (404, "message_not_found")
    missing = client.post(path, {**asked, "messageId": ""}, format="json")
    assert (missing.status_code, missing.json()["errors"][0]["path"]) == (400, "messageId")


def test_the_older_route_takes_ten_a_minute_to_one_number(desk: Desk, api: ApiClients, acme_admin: Somebody) -> None:
    desk.tell(*(text(f"Hello {n}", wa_id=f"IN{n}") for n in range(11)))
    client, asked = api(acme_admin), {"phone": f"+{BOB.pn}", "emoji": "👍"}

    answers = [
        client.post("/api/whatsapp/reaction", {**asked, "messageId": f"IN{n}"}, format="json") for n in range(11)
    ]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json()["code"] == "too_many_reactions"
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_those_who_look_hear_of_each_step(desk: Desk, hints: list[live.Hint]) -> None:
    desk.tell(text("Hello"))
    put(desk, "👍")
    desk.tell(answered(desk.take_reactions()[0]))

    news = [hint.payload["reactions"] for hint in hints if hint.kind == "message.reaction"]
    assert [[each["status"] for each in reactions] for reactions in news] == [["queued"], ["sent"]]


def test_a_page_lets_its_reader_choose_and_take_back(desk: Desk, acme_admin: Somebody) -> None:
    desk.tell(text("Hello"))
    message, client = Message.objects.get(), at_browser(acme_admin)
    chat = f"/sessions/{desk.session_id}/chats/{message.chat_id}"
    here = f"{chat}/messages/{message.pk}/reaction"
    assert f'href="{here}"' in client.get(chat).content.decode()
    assert 'value="👍" aria-pressed="false"' in client.get(here).content.decode()

    answer = client.post(here, {"emoji": "🐢"})

    assert (answer.status_code, answer.headers["Location"]) == (302, chat)
    assert '<li title="You: Waiting to be sent" class="wait">🐢' in client.get(chat).content.decode()
    chosen = client.get(f"{here}?part=form").content.decode()
    assert 'value="🐢" aria-pressed="true"' in chosen
    assert "Take it back" in chosen
    client.post(here, {"emoji": ""})
    assert ours() == ("", "queued")
    assert client.post(here, {"emoji": "ok"}).status_code == 400


def test_nothing_is_offered_for_what_whatsapp_does_not_have(desk: Desk, acme_admin: Somebody) -> None:
    message_id = desk.send("Hello")
    chat = f"/sessions/{desk.session_id}/chats/{Chat.objects.get().pk}"
    assert "/reaction" not in at_browser(acme_admin).get(chat).content.decode()

    desk.tell(acknowledged(message_id))

    assert "/reaction" in at_browser(acme_admin).get(chat).content.decode()


def stored() -> list[tuple[str, str]]:
    return sorted(Reaction.objects.values_list("emoji", "status"))


# -- with a worker -----------------------------------------------------------------------------------------------------
@pytest.fixture
def dock(
    live_companies: tuple[Company, Company], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    monkeypatch.setattr(run, "TICK_SECONDS", 0.1)
    with Dock.made(live_companies[0], tmp_path) as dock:
        yield dock


@pytest.mark.django_db(transaction=True)
def test_after_a_crash_it_is_sent_again_and_the_last_one_counts(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    dock.engine.contact_writes(session_id, BOB.pn, "Hello")
    message = dock.received("Hello")
    dock.engine.withholds_answers = True
    reaction = {"company": dock.company, "session_id": session_id, "message_id": message.pk, "by": SYSTEM}

    dock.run(reacting.react, emoji="👍", **reaction)
    eventually(lambda: len(dock.engine.reactions) == 1, what="the engine has it")
    dock.engine.withholds_answers = False
    dock.engine.host_dies(session_id)

    eventually(lambda: dock.run(ours) == ("👍", "sent"), what="sent again")
    assert [order.emoji for order in dock.engine.reactions] == ["👍", "👍"]


@pytest.mark.django_db(transaction=True)
def test_real_phones_see_what_was_put_here_also_over_a_restart(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    harbour.wa.send_text(bob, shop, "Are you open?")
    message = harbour.received("Are you open?")
    answer = harbour.becomes(harbour.sends(session_id, bob, "We are."), "delivered")

    def reacts(emoji: str, to: Message) -> None:
        reaction = {"company": harbour.company, "session_id": session_id, "message_id": to.pk, "by": SYSTEM}
        harbour.run(reacting.react, emoji=emoji, **reaction)

    def seen(on: Message) -> dict[str, str]:
        found = bob.find(on.wa_id)
        assert found is not None
        return bob.reactions_to(found)

    reacts("👍", message)
    reacts("🎉", answer)
    eventually(lambda: (seen(message), seen(answer)) == ({shop.number: "👍"}, {shop.number: "🎉"}), what="both seen")

    # While nobody is there to send it, it waits.
    harbour.worker.stop()
    reacts("😂", message)
    reacts("", answer)
    harbour.wa.react(bob, message.wa_id, "❤️")
    harbour.restart_worker()

    both = {shop.number: "😂", bob.number: "❤️"}
    eventually(lambda: (seen(message), seen(answer)) == (both, {}), what="the last wishes are seen")
    all_of_it = sorted([("", "sent"), ("😂", "sent"), ("❤️", "")])
    eventually(lambda: harbour.run(stored) == all_of_it, what="all is stored")
    assert [row.text for row in bob.inbox] == ["We are."]
    harbour.do(sessions.pause, session_id)
