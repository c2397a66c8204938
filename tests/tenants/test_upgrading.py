"""`upgrade` finds who is behind, does not stop at one that fails, and lets any number of processes take turns."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tenants import upgrading
from tenants.cloning import TEMPLATE, clone_script
from tenants.context import run_in, run_in_schema
from tenants.errors import TemplateNotClonable, UpgradeRunning
from tenants.locks import upgrading_alone
from tenants.models import Company
from tenants.provisioning import create_company
from tenants.upgrading import companies_behind, upgrade
from tests.tenants.catalogue import differences

pytestmark = pytest.mark.django_db(transaction=True)


def execute(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def test_when_nothing_is_behind_nothing_is_done(acme: Company) -> None:
    said: list[str] = []

    assert upgrade(said.append) == []
    assert said == ["Everything is up to date."]


def test_only_the_companies_behind_are_upgraded(acme: Company, globex: Company) -> None:
    old = _company_without_migrations("Old")
    said: list[str] = []

    assert companies_behind() == [old]
    assert upgrade(said.append) == []

    assert said == ["Upgrading Old (old), 1/1."]
    assert differences(old.schema_name, TEMPLATE) == []
    assert companies_behind() == []


def test_fields_that_are_altered_together_are_altered_like_others_there_and_back(acme: Company) -> None:
    old = create_company(name="Old", slug="old", max_sessions=1, language="en")
    call_command("migrate_schemas", "whatsapp", "0014", schema_name=old.schema_name, interactive=False, verbosity=0)
    back = [each for each in differences(old.schema_name, TEMPLATE) if "indexes" in each]

    assert upgrade(lambda said: None) == []

    assert len(back) > 20, "each key had an index of its own then"
    # Two migrations more have been written down.
    assert [each for each in differences(old.schema_name, TEMPLATE) if "django_migrations_id_seq" not in each] == []


def test_one_company_that_fails_does_not_hold_up_the_others(acme: Company) -> None:
    broken, old = _company_without_migrations("Broken"), _company_without_migrations("Old")
    run_in(broken, execute, "CREATE TABLE whatsapp_account (in_the_way int)")
    said: list[str] = []

    assert upgrade(said.append) == ["Broken"]

    assert "Broken (broken) was NOT upgraded." in said
    assert companies_behind() == [broken]
    assert differences(old.schema_name, TEMPLATE) == []


def test_the_command_names_the_failed_and_ends_with_an_error(acme: Company) -> None:
    broken = _company_without_migrations("Broken")
    run_in(broken, execute, "CREATE TABLE whatsapp_account (in_the_way int)")

    with pytest.raises(CommandError, match="Not upgraded: Broken") as failure:
        call_command("upgrade")

    assert failure.value.returncode == 1


def test_a_schema_that_is_gone_is_reported_like_any_failure(acme: Company) -> None:
    lost = create_company(name="Lost")
    execute(f'DROP SCHEMA "{lost.schema_name}" CASCADE')

    assert upgrade(lambda sentence: None) == ["Lost"]


def test_a_template_that_cannot_be_copied_is_refused(acme: Company, rebuilt_template: None) -> None:
    run_in_schema(TEMPLATE, execute, "CREATE SEQUENCE lonely; DELETE FROM django_migrations WHERE app = 'whatsapp'")
    run_in_schema(TEMPLATE, execute, _drop_tables_of("whatsapp"))

    with pytest.raises(TemplateNotClonable, match="the sequence lonely"):
        upgrade(lambda sentence: None)


def test_upgrades_take_turns(acme: Company) -> None:
    old = _company_without_migrations("Old")
    said: list[str] = []

    with ThreadPoolExecutor(3) as threads:
        failures = list(threads.map(lambda _: _in_thread(lambda: upgrade(said.append)), range(3)))

    assert failures == [[], [], []]
    assert sorted(said) == ["Everything is up to date."] * 2 + ["Upgrading Old (old), 1/1."]
    assert differences(old.schema_name, TEMPLATE) == []


def test_no_company_is_made_while_an_upgrade_runs(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.locks._PATIENCE_SECONDS", 0.0)

    with upgrading_alone(), pytest.raises(UpgradeRunning):
        create_company(name="Impatient")

    assert create_company(name="Patient").slug == "patient"


def test_an_upgrade_waits_for_a_company_that_is_being_made(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    halfway, go_on = Event(), Event()

    def wait() -> str:
        halfway.set()
        assert go_on.wait(10)
        return clone_script()

    monkeypatch.setattr("tenants.provisioning.clone_script", wait)
    with ThreadPoolExecutor(2) as threads:
        making = threads.submit(_in_thread, lambda: create_company(name="Slow"))
        assert halfway.wait(10)
        upgraded = threads.submit(_in_thread, lambda: upgrade(lambda sentence: None))
        _until(_somebody_waits_for_an_advisory_lock)
        assert not upgraded.done()
        go_on.set()

        assert (making.result(10).slug, upgraded.result(10)) == ("slow", [])


def test_many_schemas_are_asked_about_in_parts(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrading, "_AT_ONCE", 1)
    old = _company_without_migrations("Old")

    assert companies_behind() == [old]


@pytest.fixture
def rebuilt_template(transactional_db: None) -> Iterator[None]:
    yield
    execute(f"DROP SCHEMA {TEMPLATE} CASCADE")
    assert upgrade(lambda sentence: None) == []


def _company_without_migrations(name: str) -> Company:
    company = create_company(name=name)
    execute(f'DROP SCHEMA "{company.schema_name}" CASCADE; CREATE SCHEMA "{company.schema_name}"')
    return company


def _drop_tables_of(app: str) -> str:
    return f"""DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT relname FROM pg_class WHERE relnamespace = '{TEMPLATE}'::regnamespace
            AND relkind = 'r' AND relname LIKE '{app}\\_%' LOOP
        EXECUTE format('DROP TABLE {TEMPLATE}.%I CASCADE', name); END LOOP; END $$"""  # noqa: S608


T = TypeVar("T")


def _in_thread(function: Callable[[], T]) -> T:
    try:
        return function()
    finally:
        connection.close()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def _somebody_waits_for_an_advisory_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        (waiting,) = cursor.fetchone()
    return bool(waiting)
