"""A device is linked, logs in, loses its connection, is taken off: with the real neonize."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.protocol.adv import Break
from sandbox.server.pairing import PairingRefused
from sandbox.server.switchboard import NoCodeWanted, QRExpired
from sandbox.thread import SandboxThread
from sandbox.world.faults import LoginFailure
from sandbox.world.phone import Phone
from tests.sandbox.conftest import Shop
from tests.sandbox.driver import Program, until

Someone = Callable[..., Phone]


def test_a_device_is_linked_by_qr(wa: SandboxThread, program: Program, unlinked: str, someone: Someone) -> None:
    phone = someone("Loja")

    device = wa.scan(phone, program.qr(unlinked))

    program.connected(client=unlinked)
    assert device == 1
    assert phone.companions[1].is_online
    assert phone.companions[1].registration.platform == "Neonize"


def test_a_device_is_linked_by_code(wa: SandboxThread, program: Program, unlinked: str, someone: Someone) -> None:
    phone = someone("Loja")
    code = program.do("PairPhone", unlinked, args=[phone.number, True])

    device = wa.type_code(phone, code)

    program.connected(client=unlinked)
    assert phone.companions[device].is_online


def test_a_wrong_code_is_refused_and_the_right_one_works_afterwards(
    wa: SandboxThread, program: Program, unlinked: str, someone: Someone
) -> None:
    phone = someone()
    program.do("PairPhone", unlinked, args=[phone.number, True])
    with pytest.raises(PairingRefused, match="wrong_code"):
        wa.type_code(phone, "AAAA-AAAA")
    assert not phone.companions

    code = program.do("PairPhone", unlinked, args=[phone.number, True])

    assert wa.type_code(phone, code.lower()) in phone.companions
    program.connected(client=unlinked)


def test_a_code_that_nobody_asked_for_leads_nowhere(wa: SandboxThread, someone: Someone) -> None:
    with pytest.raises(NoCodeWanted):
        wa.type_code(someone(), "ABCD-EFGH")


def test_a_qr_works_once(wa: SandboxThread, program: Program, unlinked: str, someone: Someone) -> None:
    qr = program.qr(unlinked)
    wa.scan(someone(), qr)
    program.connected(client=unlinked)

    with pytest.raises(QRExpired):
        wa.scan(someone(), qr)


@pytest.mark.parametrize("broken", ["hmac", "signature"])
def test_a_broken_pairing_is_refused_by_the_device(
    wa: SandboxThread, program: Program, unlinked: str, someone: Someone, broken: Break
) -> None:
    phone = someone()

    with pytest.raises(PairingRefused, match=broken):
        wa.scan(phone, program.qr(unlinked), broken)

    assert not phone.companions


def test_two_devices_on_one_phone_have_numbers_of_their_own(own_shop: Shop, tmp_path: Path) -> None:
    own_shop.program.starts(tmp_path / "second.db", f"{own_shop.client}-second")

    second = own_shop.wa.scan(own_shop.phone, own_shop.program.qr(f"{own_shop.client}-second"))

    assert {own_shop.device, second} == {1, 2} == set(own_shop.phone.companions)


def test_unlinking_on_the_phone_logs_the_device_out(own_shop: Shop) -> None:
    own_shop.wa.unlink(own_shop.phone, own_shop.device)

    assert own_shop.program.wait("LoggedOut", client=own_shop.client)["data"]["Reason"] == "LOGGED_OUT"
    assert not own_shop.phone.companions


def test_logging_out_takes_the_device_off_the_phone(own_shop: Shop) -> None:
    own_shop.program.do("logout", own_shop.client)

    until(lambda: not own_shop.phone.companions, "no device left")


def test_a_cut_connection_comes_back_by_itself(shop: Shop) -> None:
    before = shop.program.now

    shop.wa.drop(shop.phone)

    shop.program.wait("Disconnected", since=before, client=shop.client)
    shop.program.connected(since=before, client=shop.client)


def test_a_temporary_ban_says_until_when(own_shop: Shop) -> None:
    own_shop.wa.faults.login_failures[own_shop.phone.number] = LoginFailure("402", "101", "3600")

    own_shop.wa.drop(own_shop.phone)

    assert own_shop.program.wait("TemporaryBan", client=own_shop.client)["data"]["Expire"] == "3600"


def test_the_newer_of_two_connections_replaces_the_older(own_shop: Shop, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with_same_store = Program(own_shop.wa.env).starts(store)

    with_same_store.connected()

    own_shop.program.wait("StreamReplaced", client=own_shop.client)
    with_same_store.kill()


def test_the_profile_name_reaches_the_device(own_shop: Shop) -> None:
    def name() -> str:
        return str(own_shop.program.do("get_me", own_shop.client).get("PushName"))

    until(lambda: name() == "Loja", "the first name")

    own_shop.wa.rename(own_shop.phone, "Nova Loja")

    until(lambda: name() == "Nova Loja", "the new name")


def test_a_name_set_on_the_device_reaches_the_phone(own_shop: Shop) -> None:
    until(lambda: own_shop.program.do("get_me", own_shop.client).get("PushName") == "Loja", "app state")

    own_shop.program.do("set_profile_name", own_shop.client, args=["Dona Maria"])

    until(lambda: own_shop.phone.name == "Dona Maria", "the name on the phone")
