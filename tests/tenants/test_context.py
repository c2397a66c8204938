"""The door into a company's schema, with many going through it at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import close_old_connections, connection

from fleet.models import Network
from tenants.context import arun_in, arun_in_public, run_in, run_in_public
from tenants.models import Company
from tenants.provisioning import create_company
from tests.sockets import Socket
from tests.waiting import eventually
from whatsapp.models import Account


def current_schema() -> str:
    """Asks PostgreSQL, not django-tenants."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        (schema,) = cursor.fetchone()
    return str(schema)


def current_schema_slowly() -> str:
    """Leaves the others time to come between."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.002)")
    return current_schema()


@pytest.fixture
def three(live_companies: tuple[Company, Company]) -> list[Company]:
    return [*live_companies, create_company(name="Third")]


def test_the_door_leads_in_and_out_again(acme: Company, globex: Company) -> None:
    inside = run_in(acme, lambda: (current_schema(), run_in(globex, current_schema), current_schema()))

    assert inside == (acme.schema_name, globex.schema_name, acme.schema_name)
    assert current_schema() == "public"


def test_the_door_closes_after_an_error(acme: Company) -> None:
    with pytest.raises(ZeroDivisionError):
        run_in(acme, lambda: 1 // 0)

    assert current_schema() == "public"


def test_the_shared_tables_can_be_had_from_inside(acme: Company) -> None:
    assert run_in(acme, run_in_public, current_schema) == "public"


def test_a_prepared_statement_is_planned_for_the_company_that_asks(acme: Company, globex: Company) -> None:
    def count() -> int:
        return Account.objects.filter(network=Network.SANDBOX).count()

    for number in range(2):
        run_in(globex, Account.objects.create, network=Network.SANDBOX, phone_number=f"4915{number}")
    run_in(acme, Account.objects.create, network=Network.SANDBOX, phone_number="49150")

    assert [(run_in(acme, count), run_in(globex, count)) for _ in range(20)] == [(1, 2)] * 20
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%COUNT%whatsapp_account%'")
        assert cursor.fetchall(), "it was not prepared, so this has shown nothing"


async def test_interleaved_coroutines_of_three_companies_never_cross(three: list[Company]) -> None:
    asked = [three[number % 3] for number in range(300)]

    answers = await asyncio.gather(*(arun_in(company, current_schema_slowly) for company in asked))

    assert answers == [company.schema_name for company in asked]


def test_coroutines_give_their_connections_back(live_companies: tuple[Company, Company]) -> None:
    async def ask_often() -> None:
        await asyncio.gather(*(arun_in(live_companies[0], current_schema_slowly) for _ in range(30)))
        await asyncio.gather(*(arun_in_public(current_schema_slowly) for _ in range(30)))

    asyncio.run(ask_often())

    connection.close()
    # Some that the rush asked for may only just be in the making.
    eventually(are_all_back, what="no connection is kept")


def are_all_back() -> bool:
    stats = cast(Any, connection).pool.get_stats()
    return bool(stats["pool_available"] == stats["pool_size"] > 0)


def test_threads_of_three_companies_never_cross(three: list[Company]) -> None:
    asked = [three[number % 3] for number in range(300)]

    def ask(company: Company) -> str:
        try:
            return run_in(company, current_schema_slowly)
        finally:
            close_old_connections()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, asked))

    assert answers == [company.schema_name for company in asked]


class Asking(AsyncJsonWebsocketConsumer):
    """Answers with the schema it is in, once through each way a consumer has."""

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        company = cast(dict[str, Any], self.scope)["company"]
        shared_thread = await database_sync_to_async(run_in)(company, current_schema_slowly)
        await self.send_json([await arun_in(company, current_schema_slowly), shared_thread])


async def test_consumers_of_three_companies_never_cross(three: list[Company]) -> None:
    sockets = [Socket(Asking.as_asgi(), "/", company=company) for company in three]
    for socket in sockets:
        assert await socket.connect() is None

    answers = await asyncio.gather(*(_asked_often(socket) for socket in sockets))

    assert answers == [[[company.schema_name] * 2] * 30 for company in three]
    for socket in sockets:
        await socket.disconnect()


async def _asked_often(socket: Socket) -> list[Any]:
    for _ in range(30):
        await socket.send("where?")
    return [await socket.receive() for _ in range(30)]
