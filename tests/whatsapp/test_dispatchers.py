"""Several dispatchers: each endpoint has one, a killed one's are taken over, and nothing is lost or turned round."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from fleet import dispatching
from fleet.leases import LEASE, LeaseLost
from fleet.models import Dispatcher, EndpointPlacement
from tenants.context import run_in
from tenants.models import Company
from tests.product import ROOT
from tests.waiting import eventually
from tests.whatsapp.desk import Desk, text
from tests.whatsapp.dispatching import dispatching_as, endpoint
from tests.whatsapp.receiver import OK, Heard, Reply, receiving, status
from wharf.networks import parse_networks
from whatsapp.models import Delivery, WebhookLane
from whatsapp.services import deliveries
from whatsapp.services.deliveries import Progress
from whatsapp.webhooks import run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback_allowed(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")


@pytest.fixture
def desk(live_companies: tuple[Company, Company]) -> Desk:
    return run_in(live_companies[0], Desk.open, live_companies[0])


class Process:
    """`manage.py runwebhooks` on the test's database."""

    def __init__(self, log: Path) -> None:
        database = urlsplit(os.environ["WHARF_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
        ours = {"WHARF_DATABASE_URL": database.geturl(), "WHARF_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "runwebhooks"],
                cwd=ROOT,
                env=os.environ | ours,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def ends(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Process]]:
    started: list[Process] = []

    def one() -> Process:
        started.append(Process(tmp_path / f"{len(started)}.log"))
        return started[-1]

    yield one
    for each in started:
        if each.process.poll() is None:
            each.ends(signal.SIGKILL)


def owners(*endpoint_ids: str) -> list[str | None]:
    rows = dict(EndpointPlacement.objects.values_list("endpoint_id", "owner_id"))
    return [rows[endpoint_id] for endpoint_id in endpoint_ids]


def test_a_killed_dispatchers_endpoints_are_taken_over_and_nothing_is_lost_or_turned_round(
    desk: Desk, start: Callable[[], Process]
) -> None:
    gate = threading.Event()

    def stuck(request: Heard) -> Reply:
        """In the middle of what the first one has already read."""
        return OK if request.text != "message 60" or gate.wait(60) else status(500)

    with receiving(stuck) as receiver:
        made = endpoint(desk.company, receiver.url, kinds=["message.new"])
        first = start()
        run_in(desk.company, desk.tell, text("message 0"))
        receiver.hears(1, f"the first one delivers\n{first.log()}")
        for number in range(1, 200):
            run_in(desk.company, desk.tell, text(f"message {number}"))
            if number == 100:
                eventually(lambda: deliveries_written(desk.company) >= 60, what="it writes how far it is")
                first.ends(signal.SIGKILL)
                gate.set()
                second = start()
        killed_at = len(receiver.heard)
        assert 0 < killed_at < 200, "it was killed in the middle"

        eventually(lambda: "message 199" in receiver.texts(), what=f"the second one delivers\n{second.log()}")

    seen = list(dict.fromkeys(request.text for request in receiver.heard))
    assert seen == [f"message {number}" for number in range(200)], "each for the first time in order"
    steps = [int(request.text.split()[1]) for request in receiver.heard]
    turns = [(before, after) for before, after in pairwise(steps) if after != before + 1]
    assert len(turns) <= 1, "one step back at most, where the second took over"
    ids: dict[str, set[str]] = {}
    for request in receiver.heard:
        ids.setdefault(request.text, set()).add(request.id)
    assert all(len(each) == 1 for each in ids.values()), "what came twice came with the same id"
    assert owners(made.pk) != [None]
    assert second.ends(signal.SIGTERM) == 0
    assert owners(made.pk) == [None], "given back at once"


def test_a_dispatcher_stopped_in_the_middle_of_a_request_loses_its_endpoint_and_its_late_result_is_not_written(
    desk: Desk, start: Callable[[], Process]
) -> None:
    gate = threading.Event()
    tries = Counter[str]()

    def late_to_the_first(request: Heard) -> Reply:
        """The first to ask hears that it failed, and only after another one has been told the contrary."""
        tries[request.text] += 1
        is_first = (request.text, tries[request.text]) == ("message 1", 1)
        return status(500) if is_first and gate.wait(60) else OK

    with receiving(late_to_the_first) as receiver:
        made = endpoint(desk.company, receiver.url, kinds=["message.new"])
        first = start()
        run_in(desk.company, desk.tell, text("message 0"))
        eventually(lambda: deliveries_written(desk.company) == 1, what=f"the first one delivers\n{first.log()}")
        second = start()
        eventually(lambda: Dispatcher.objects.filter(pid=second.process.pid).exists(), what="the second is there")
        (owner,) = owners(made.pk)
        run_in(desk.company, desk.tell, text("message 1"))
        eventually(lambda: tries["message 1"] == 1, what="it is in the middle of the next")

        first.process.send_signal(signal.SIGSTOP)
        eventually(lambda: owners(made.pk) not in ([owner], [None]), within=15, what="it is taken over")
        eventually(lambda: deliveries_written(desk.company) == 2, what=f"the second one delivers\n{second.log()}")
        (successor,) = owners(made.pk)
        gate.set()
        first.process.send_signal(signal.SIGCONT)
        beats(first)
        run_in(desk.company, desk.tell, text("message 2"))
        eventually(lambda: deliveries_written(desk.company) == 3, what="the next one leaves once")
        assert first.ends(signal.SIGTERM) == 0, first.log()

    assert [request.text for request in receiver.heard] == ["message 0", "message 1", "message 1", "message 2"]
    assert len({request.id for request in receiver.heard if request.text == "message 1"}) == 1
    rows = run_in(desk.company, lambda: list(Delivery.objects.order_by("id").values_list("is_delivered", "status")))
    assert rows == [(True, 200)] * 3, "nothing of a failure"
    assert run_in(desk.company, WebhookLane.objects.count) == 0
    assert owners(made.pk) == [successor]


def beats(process: Process) -> None:
    """It is awake: its lease is prolonged again."""
    rows = Dispatcher.objects.filter(pid=process.process.pid, lease_until__gt=timezone.now())
    eventually(rows.exists, what=f"it beats again\n{process.log()}")


def deliveries_written(company: Company) -> int:
    return run_in(company, Delivery.objects.count)


def shares(ids: list[str]) -> list[int]:
    """How many each dispatcher has."""
    return sorted(Counter(owner for owner in owners(*ids) if owner).values())


def test_two_dispatchers_share_the_endpoints(desk: Desk) -> None:
    with receiving() as receiver:
        made = [endpoint(desk.company, receiver.url, kinds=["message.new"]) for _ in range(4)]
        ids = [row.pk for row in made]
        with dispatching_as("first") as first:
            eventually(lambda: shares(ids) == [4], what="the first one has all")
            with dispatching_as("second"):
                eventually(lambda: shares(ids) == [2, 2], what="each has a half of them")
                run_in(desk.company, desk.tell, text("Hello"))
                receiver.hears(4)
                first.stop()
                eventually(lambda: shares(ids) == [4], what="the second one has all")
                run_in(desk.company, desk.tell, text("Hello again"))
                receiver.hears(8)


def test_of_two_claimants_one_gets_an_endpoint(desk: Desk) -> None:
    row = run_in(desk.company, _placed, desk.company)
    first, second = (dispatching.register(name=name, pid=1) for name in ("first", "second"))

    assert dispatching.claim(first, limit=5) == 1
    assert dispatching.claim(second, limit=5) == 0

    Dispatcher.objects.filter(pk=first.pk).update(lease_until=timezone.now() - LEASE)
    assert dispatching.claim(second, limit=5) == 1
    assert owners(row.endpoint_id) == [second.pk]


def test_who_lost_an_endpoint_writes_nothing(desk: Desk) -> None:
    row = run_in(desk.company, _placed, desk.company)
    first, second = (dispatching.register(name=name, pid=1) for name in ("first", "second"))
    dispatching.claim(first, limit=1)
    (lost,) = map(dispatching.lease_of, dispatching.owned(first))
    Dispatcher.objects.filter(pk=first.pk).update(lease_until=timezone.now() - LEASE)
    dispatching.claim(second, limit=1)
    late = Progress(99, 0, None, None, [], [], [], [], [], None)

    with pytest.raises(LeaseLost):
        run_in(desk.company, deliveries.record, desk.company, lost, late)

    dispatching.release(lost)
    assert owners(row.endpoint_id) == [second.pk]


def _placed(company: Company) -> EndpointPlacement:
    return EndpointPlacement.objects.create(endpoint_id="E", company=company)


def test_a_dispatcher_that_is_not_sure_of_its_lease_sends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    is_sure = threading.Event()

    def is_valid(_: run.Dispatcher) -> bool:
        asked.append(is_sure.is_set())
        return is_sure.is_set()

    monkeypatch.setattr(run.Dispatcher, "_is_valid", is_valid)
    with receiving() as receiver, dispatching_as("unsure"):
        endpoint(desk.company, receiver.url, kinds=["message.new"])
        run_in(desk.company, desk.tell, text("Hello"))
        eventually(lambda: len(asked) > 3, what="it has something to send, and looks at its lease again and again")
        assert receiver.heard == []
        is_sure.set()
        receiver.takes("Hello")
