"""Housekeeping: what the queue knows of it, and that old rows go."""

from datetime import timedelta

import pytest
from django.utils import timezone
from procrastinate.contrib.django import app

from fleet import leases
from fleet.models import Worker
from fleet.tasks import forget_old_workers


@pytest.mark.django_db
def test_workers_that_ended_long_ago_are_forgotten() -> None:
    old, recent, running = (leases.register(name=n, pid=1, capacity=1, store_id="s") for n in ("old", "recent", "run"))
    Worker.objects.filter(pk=old.pk).update(stopped_at=timezone.now() - timedelta(days=8))
    Worker.objects.filter(pk=recent.pk).update(stopped_at=timezone.now())

    forget_old_workers(timestamp=0)

    assert set(Worker.objects.values_list("name", flat=True)) == {recent.name, running.name}


@pytest.mark.django_db
def test_every_periodic_task_is_known_to_the_queue() -> None:
    names = {task.name for task in app.tasks.values()}

    assert {
        "fleet.tasks.return_stalled_jobs",
        "fleet.tasks.forget_old_workers",
        "whatsapp.tasks.forget_early_receipts",
    } <= names
