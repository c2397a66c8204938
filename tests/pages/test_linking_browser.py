"""Linking by the page in a real browser: countdowns, the clipboard, limits, and life without a socket."""

import re
from datetime import timedelta
from typing import Any, Final

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Request, Response, expect

from fleet.reasons import Reason
from fleet.states import State, Wanted
from tests.browser import Browsers, aside, fits, log_in, needs_chromium
from tests.pages.conftest import Desk
from tests.people import Person
from whatsapp.models import CodeAttempt, Session
from whatsapp.services import transitions

pytestmark = [pytest.mark.browser, needs_chromium]

NUMBER = "4915550100001"
CODE: Final[dict[str, Any]] = {"pairing_phone": NUMBER, "pairing_code": "ABCD-EFGH"}
COPIED = {"ru-RU": "✅ Код скопирован в буфер обмена!", "en-US": "✅ The code has been copied to the clipboard!"}
#: As on a device whose clock is wrong by so many milliseconds.
WRONG_CLOCK = """(() => {
    const shift = %d, now = Date.now, origin = performance.timeOrigin + shift;
    Date.now = () => now() + shift;
    Object.defineProperty(performance, "timeOrigin", { get: () => origin });
})()"""


def is_linking(desk: Desk, *, news: bool = True, lasts: timedelta = timedelta(minutes=5), **challenge: Any) -> None:
    """As the worker writes what is on show, with or without telling those who look."""
    desk.is_in(State.PAIRING, wanted=Wanted.RUNNING, device_jid="", reason=Reason.WAITING_FOR_SCAN)
    ends = timezone.now() + lasts
    fields = {"qr": "2@shown", "qr_expires_at": ends, "pairing_code_expires_at": ends, **challenge}
    desk.run(Session.objects.filter(pk=desk.session.pk).update, **fields)
    if news:
        desk.run(transitions.tell_challenge, desk.company, desk.session.pk)


def is_linked(desk: Desk) -> None:
    desk.is_in(State.CONNECTED, device_jid=f"{NUMBER}:1@s.whatsapp.net", reason="")


def without_socket(browsers: Browsers, person: Person, **options: Any) -> tuple[Page, list[bool]]:
    """Somebody whose socket does not come up until the list's only entry is set to False."""
    context, is_cut = browsers.context(**options), [True]
    context.route_web_socket(
        "**/ws/whatsapp/", lambda socket: socket.close() if is_cut[0] else socket.connect_to_server() and None
    )
    page = browsers.page(context)
    log_in(page, person)
    return page, is_cut


# -- codes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", COPIED)
def test_a_code_is_copied_and_the_page_says_so(
    browsers: Browsers, desk: Desk, acme_admin: Person, language: str
) -> None:
    aside(is_linking, desk, **CODE)
    page = browsers.logged_in(acme_admin, language=language, permissions=["clipboard-read", "clipboard-write"])
    page.goto(desk.at("/link?way=code"))

    page.locator("[data-copy='#pairing-code']").click()

    expect(page.locator("#toasts")).to_have_text(COPIED[language])
    assert page.evaluate("navigator.clipboard.readText()") == "ABCD-EFGH"
    expect(page.locator("#toasts .note")).to_have_count(0)


def test_a_countdown_counts_to_the_end_and_the_code_goes_by_itself(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    """Nobody tells the page, and it cannot ask: it knows when the code is over."""
    browsers.expected = ("ERR_FAILED",)
    aside(is_linking, desk, **CODE)
    page = browsers.logged_in(acme_admin, language="ru-RU")
    page.clock.install(time=timezone.now())
    page.goto(desk.at("/link?way=code"))
    left = page.locator("[data-then=lapse]")
    expect(left).to_have_text(re.compile(r"^Осталось: (29\d|300) сек$"))
    page.route("**/link?part=link*", lambda route: route.abort())

    page.clock.fast_forward(200_000)
    expect(left).to_have_text(re.compile(r"^Осталось: \d\d? сек$"))
    page.clock.fast_forward(100_000)

    expect(page.locator("#pairing-code")).to_be_hidden()
    expect(page.get_by_text("⏰ Код истёк")).to_be_visible()
    expect(page.get_by_text("Код истёк. Получите новый код.")).to_be_visible()
    expect(page.get_by_role("button", name="Получить новый код")).to_be_enabled()


def test_a_code_that_is_over_is_drawn_as_over_and_said_aloud(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    aside(is_linking, desk, **CODE)
    page = browsers.logged_in(acme_admin)
    page.clock.install(time=timezone.now())
    page.goto(desk.at("/link"))
    expect(page.locator("#pairing-code")).to_be_visible()

    aside(is_linking, desk, news=False, **CODE, lasts=timedelta(0))
    page.clock.fast_forward(301_000)

    expect(page.get_by_text("⏰ The code has expired")).to_be_visible()
    expect(page.locator("#pairing-code")).to_have_count(0)
    expect(page.locator("#announcer")).to_have_text("The code has expired. Get a new one.")


@pytest.mark.parametrize("wrong_by", [timedelta(minutes=-10), timedelta(minutes=10)], ids=["slow", "fast"])
def test_a_wrong_clock_neither_ends_a_code_nor_stretches_it(
    browsers: Browsers, desk: Desk, acme_admin: Person, wrong_by: timedelta
) -> None:
    aside(is_linking, desk, **CODE)
    page = browsers.logged_in(acme_admin)
    page.add_init_script(WRONG_CLOCK % (wrong_by.total_seconds() * 1_000))
    page.goto(desk.at("/link"))

    expect(page.locator("[data-then=lapse]")).to_have_text(re.compile(r"^Time left: (2[789]\d|300) s$"))


# -- asking ----------------------------------------------------------------------------------------------------------
def test_what_is_no_number_is_said_beside_the_field_before_anything_is_sent(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    aside(is_linking, desk)
    page = browsers.logged_in(acme_admin, language="ru-RU")
    page.goto(desk.at("/link?way=code"))

    page.get_by_label("Номер телефона").fill("12")
    page.get_by_role("button", name="Получить код подключения").click()

    expect(page.get_by_text("Пожалуйста, введите корректный номер телефона")).to_be_visible()
    expect(page.get_by_label("Номер телефона")).to_be_focused()
    assert aside(desk.fresh).pairing_phone == ""


def test_the_button_says_how_far_a_request_is(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    aside(is_linking, desk)
    page = browsers.logged_in(acme_admin, language="ru-RU")
    page.goto(desk.at("/link?way=code"))
    page.get_by_label("Номер телефона").fill(f"+{NUMBER}")

    page.get_by_role("button", name="Получить код подключения").click()
    expect(page.get_by_role("button", name="Получение кода...")).to_be_disabled()
    expect(page.get_by_text(f"Запрашиваем у WhatsApp код для +{NUMBER}")).to_be_visible()
    aside(is_linking, desk, **CODE)

    expect(page.locator("#pairing-code")).to_have_text("ABCD-EFGH")
    told = f"✨ Код получен для номера +{NUMBER}! Следуйте инструкциям ниже."
    expect(page.locator("main").get_by_text(told)).to_be_visible()
    expect(page.get_by_role("button", name="Получить новый код")).to_be_enabled()


def test_a_limit_says_how_long_it_lasts(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    browsers.expected = ("status of 429",)

    def asked_often() -> None:
        for _ in range(5):
            desk.run(CodeAttempt.objects.create, phone=NUMBER)

    aside(is_linking, desk)
    aside(asked_often)
    page = browsers.logged_in(acme_admin)
    page.goto(desk.at("/link?way=code"))
    page.get_by_label("Phone number").fill(f"+{NUMBER}")
    page.get_by_role("button", name="Get a pairing code").click()

    expect(page.get_by_role("alert").filter(has_text="try again in 30 min")).to_be_visible()
    expect(page.get_by_role("button", name="Get a pairing code")).to_be_enabled()


def test_whatsapps_refusal_leads_to_the_qr_code_and_back(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    aside(is_linking, desk, pairing_phone=NUMBER, pairing_error="429: rate-overlimit")
    page = browsers.logged_in(acme_admin, language="ru-RU")
    page.goto("/whatsapp-pairing.html")
    expect(page.locator(".note.error", has_text="Ошибка: 429: rate-overlimit")).to_contain_text("❌ Ошибка")

    page.get_by_role("link", name="Не удалось получить код. Попробовать QR код?").click()
    expect(page.locator(".qr-picture svg")).to_be_visible()
    expect(page.locator("[data-show=seconds]")).to_have_text(re.compile(r"^⏱ Обновление через \d+ сек$"))
    page.get_by_role("link", name="Подключить по коду").click()

    expect(page.get_by_label("Номер телефона")).to_have_value(f"+{NUMBER}")


def test_after_codes_that_nobody_scanned_the_other_way_is_advised(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    aside(is_linking, desk, qr_number=3)
    page = browsers.logged_in(acme_admin)
    page.goto(desk.at("/link"))
    expect(page.locator(".qr-picture svg")).to_be_visible()
    expect(page.locator("#advice")).to_have_count(0)

    aside(is_linking, desk, qr="2@fourth", qr_number=4)

    page.get_by_role("link", name="Use a pairing code").click()
    expect(page.get_by_role("heading", name="Or type a code on the phone")).to_be_in_viewport()


# -- without a socket ------------------------------------------------------------------------------------------------
def test_without_a_socket_the_page_asks_until_it_is_linked(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    aside(is_linking, desk, news=False, **CODE)
    page, _ = without_socket(browsers, acme_admin, language="ru-RU")
    page.goto(desk.at("/link?way=code"))
    expect(page.locator("#live-note")).to_contain_text("каждые несколько секунд")
    expect(page.locator(".link-status")).to_have_text("⭕ Ожидание подключения")

    aside(is_linked, desk)

    expect(page.get_by_role("heading", name="🎉 WhatsApp успешно подключен!")).to_be_visible()
    expect(page.locator(".link-status")).to_have_text("✅ Подключено")


def test_a_socket_that_is_back_ends_the_asking(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    """By the page's own clock: as many seconds as it wants, at once."""
    aside(is_linking, desk, news=False)
    page, is_cut = without_socket(browsers, acme_admin)
    page.clock.install(time=timezone.now())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if is_question(request) else None)
    page.goto(desk.at("/link"))
    for _ in range(3):
        with page.expect_response(is_question):
            page.clock.run_for(2_000)
    expect(page.locator("#live-note")).to_be_visible()

    is_cut[0] = False
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#live-note")).to_be_hidden()
    with page.expect_response(is_question):
        aside(is_linking, desk, qr="2@again")
    expect(page.locator("#qr-text")).to_have_value("2@again")
    since = len(asked)
    page.clock.run_for(20_000)

    assert len(asked) == since


def is_question(about: Request | Response) -> bool:
    return "part=link" in about.url


def test_an_answer_that_does_not_come_is_said_and_forgotten(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    browsers.expected = ("ERR_FAILED",)
    aside(is_linking, desk, news=False)
    page, _ = without_socket(browsers, acme_admin, language="ru-RU")
    page.goto(desk.at("/link?way=qr"))
    page.route("**/link?part=link*", lambda route: route.abort())
    expect(page.get_by_text("❌ Ошибка загрузки QR кода")).to_be_visible()

    page.unroute("**/link?part=link*")

    expect(page.get_by_text("❌ Ошибка загрузки QR кода")).to_be_hidden()


def test_what_could_not_be_asked_is_asked_again_though_nobody_tells(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    """With a socket a change is told once, and asking for it may fail just then."""
    browsers.expected = ("ERR_FAILED",)
    aside(is_linking, desk, news=False)
    page = browsers.logged_in(acme_admin)
    page.goto(desk.at("/link"))
    expect(page.locator("#qr-text")).to_have_value("2@shown")
    page.route("**/link?part=link*", lambda route: route.abort(), times=1)

    aside(is_linking, desk, qr="2@next")

    expect(page.locator("#qr-text")).to_have_value("2@next", timeout=15_000)


# -- looks -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("language", "scheme"), [("ru-RU", "light"), ("en-US", "dark")])
def test_every_state_of_linking_fits(
    browsers: Browsers, desk: Desk, acme_admin: Person, language: str, scheme: str
) -> None:
    page = browsers.logged_in(acme_admin, language=language, color_scheme=scheme)
    states: list[dict[str, Any]] = [
        {"qr_number": 4},
        CODE,
        {**CODE, "lasts": timedelta(0)},
        {"pairing_code": "", "pairing_error": "429: no"},
    ]
    for state in states:
        aside(is_linking, desk, **state)
        for way in ("", "?way=qr", "?way=code"):
            page.goto(desk.at(f"/link{way}"))
            expect(page.locator(".link-status")).to_be_visible()
            assert fits(page), (state, way)
