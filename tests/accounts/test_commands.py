"""The commands that make companies and people: what they print, what they refuse, and with which exit code."""

import io
import json
import os
import stat
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.demo import create_demo
from accounts.models import Membership, User
from accounts.services.login import authenticate
from tenants.models import Company
from tests.people import Person

pytestmark = pytest.mark.django_db


def run(name: str, *arguments: str) -> str:
    output = StringIO()
    call_command(name, *arguments, stdout=output)
    return output.getvalue()


def run_json(name: str, *arguments: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(run(name, *arguments, "--json"))
    return facts


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_a_company_is_made_with_its_plan() -> None:
    facts = run_json("create_company", "Ромашка", "--max-sessions", "4", "--allow-sandbox")

    company = Company.objects.get(pk=facts["id"])
    assert (facts["name"], facts["slug"], facts["schema"]) == ("Ромашка", "romashka", company.schema_name)
    assert (company.max_sessions, company.sandbox_allowed) == (4, True)


def test_a_person_reads_a_sentence() -> None:
    assert run("create_company", "Ромашка", "--slug", "chamomile") == "Made Ромашка (chamomile).\n"


def test_a_taken_slug_ends_with_the_exit_code_of_a_conflict(acme: Company) -> None:
    with pytest.raises(CommandError, match="The short name acme is taken") as failure:
        run("create_company", "Another", "--slug", "acme")

    assert failure.value.returncode == 65


def test_a_member_gets_a_password_that_works(acme: Company) -> None:
    facts = run_json("create_member", "Anna@Acme.test", "--company", "acme", "--role", "admin", "--first-name", "Anna")

    user = authenticate(email="anna@acme.test", password=facts["password"], address="")
    assert (user.first_name, user.memberships.get().role) == ("Anna", "admin")
    assert not user.is_superuser


def test_a_password_is_shown_once_to_a_person(acme: Company) -> None:
    said = run("create_member", "anna@acme.test", "--company", acme.pk, "--role", "manager")

    password = said.split("Password, shown only now: ")[1].strip()
    assert authenticate(email="anna@acme.test", password=password, address="").email == "anna@acme.test"


def test_a_given_password_is_read_and_not_repeated(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "harbour lights at night\n")

    said = run("create_member", "anna@acme.test", "--company", "acme", "--role", "admin", "--password-stdin")

    assert "harbour lights" not in said
    authenticate(email="anna@acme.test", password="harbour lights at night", address="")


@pytest.mark.parametrize("password", ["", "short", "password123", "12345678"])
def test_a_weak_password_is_refused(acme: Company, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    type_in(monkeypatch, password + "\n")

    with pytest.raises(CommandError, match="password") as failure:
        run("create_operator", "olga@wharf.test", "--password-stdin")

    assert failure.value.returncode == 64
    assert not User.objects.exists()


def test_a_person_with_an_account_keeps_their_password(acme_admin: Person, globex: Company) -> None:
    facts = run_json("create_member", acme_admin.user.email, "--company", "globex", "--role", "manager")

    assert facts["password"] is None
    authenticate(email=acme_admin.user.email, password=acme_admin.password, address="")
    assert Membership.objects.filter(user=acme_admin.user).count() == 2


@pytest.mark.parametrize(
    ("arguments", "sentence", "exit_code"),
    [
        (("admin@acme.test", "--company", "acme"), "A manager with this e-mail exists", 64),
        (("no e-mail", "--company", "acme"), "This is not an e-mail address", 64),
        (("new@acme.test", "--company", "nowhere"), "There is no company nowhere", 66),
    ],
)
def test_what_cannot_be_done_is_said(
    acme_admin: Person, arguments: tuple[str, ...], sentence: str, exit_code: int
) -> None:
    with pytest.raises(CommandError, match=sentence) as failure:
        run("create_member", *arguments, "--role", "manager")

    assert failure.value.returncode == exit_code


def test_an_operator_sees_all_companies() -> None:
    facts = run_json("create_operator", "Olga@wharf.test")

    user = authenticate(email="olga@wharf.test", password=facts["password"], address="")
    assert (user.is_superuser, user.is_staff) == (True, True)


def test_a_member_is_not_made_an_operator_by_mistake(acme_admin: Person) -> None:
    with pytest.raises(CommandError, match="A user with this e-mail exists already"):
        run("create_operator", acme_admin.user.email)


# -- the demo -------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "demo.json"


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def everybody_gets_in(content: dict[str, Any]) -> bool:
    people = [content[who] for who in ("operator", "admin", "manager")]
    return all(authenticate(**person, address="") for person in people)


def test_the_demo_is_a_company_with_three_people(file: Path) -> None:
    run("create_demo", "--output", str(file))

    content = read(file)
    company = Company.objects.get(pk=content["companyId"])
    assert (company.slug, company.max_sessions, company.sandbox_allowed) == ("demo", 10, True)
    assert everybody_gets_in(content)
    assert {m.user.email: m.role for m in company.memberships.all()} == {
        "admin@demo.wharf.local": "admin",
        "manager@demo.wharf.local": "manager",
    }
    assert User.objects.get(email="operator@demo.wharf.local").is_superuser
    assert set(content) == {"url", "sandboxUrl", "operator", "admin", "manager", "companyId"}


def test_only_its_owner_may_read_the_file(file: Path) -> None:
    create_demo(file, print)

    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_second_run_changes_nothing(file: Path) -> None:
    create_demo(file, print)
    before, touched = read(file), file.stat().st_mtime_ns
    hashes = dict(User.objects.values_list("email", "password"))
    said: list[str] = []

    create_demo(file, said.append)

    assert (read(file), file.stat().st_mtime_ns, said) == (before, touched, [])
    assert dict(User.objects.values_list("email", "password")) == hashes
    assert Company.objects.filter(slug__startswith="demo").count() == 1


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_text("{"), lambda file: file.write_text("[]")])
def test_a_lost_file_means_new_passwords(file: Path, spoil: Any) -> None:
    create_demo(file, print)
    before = read(file)
    spoil(file)

    create_demo(file, print)

    assert read(file)["admin"]["password"] != before["admin"]["password"]
    assert everybody_gets_in(read(file))


def test_the_file_of_another_database_is_replaced(file: Path) -> None:
    create_demo(file, print)
    file.write_text(json.dumps(read(file) | {"companyId": "another", "admin": {"email": "x", "password": "x"}}))

    create_demo(file, print)

    assert everybody_gets_in(read(file))


def test_somebody_who_is_missing_comes_back(file: Path) -> None:
    create_demo(file, print)
    kept = read(file)["manager"]
    User.objects.filter(email="admin@demo.wharf.local").delete()

    create_demo(file, print)

    assert read(file)["manager"] == kept
    assert everybody_gets_in(read(file))


def test_the_addresses_are_brought_up_to_date(file: Path, settings: Any) -> None:
    create_demo(file, print)
    before = read(file)
    settings.PUBLIC_URL, settings.SANDBOX_URL = "https://wharf.test", "http://127.0.0.1:9"

    create_demo(file, print)

    assert read(file) == before | {"url": "https://wharf.test", "sandboxUrl": "http://127.0.0.1:9"}


@pytest.mark.django_db(transaction=True)
def test_an_upgrade_may_make_the_demo_too(file: Path, acme: Company) -> None:
    assert run("upgrade", "--then-demo", str(file)).startswith("Everything is up to date.\n")

    assert everybody_gets_in(read(file))
