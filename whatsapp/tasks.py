"""Periodic housekeeping in the companies' own tables. Every task may run twice without harm."""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from audit import recording
from tenants.context import run_in
from tenants.models import Company
from whatsapp.models import EarlyReceipt
from whatsapp.services import deliveries, feed, repeats, tally

#: A receipt whose message has not turned up by now is for one that we shall never hear of.
EARLY_RECEIPTS_KEPT: Final = timedelta(days=2)


@app.periodic(cron="53 3 * * *")
@app.task(queueing_lock="forget_events")
def forget_events(timestamp: int) -> None:
    for company in Company.objects.all():
        run_in(company, feed.forget, days=settings.EVENT_DAYS)


@app.periodic(cron="47 3 * * *")
@app.task(queueing_lock="forget_deliveries")
def forget_deliveries(timestamp: int) -> None:
    for company in Company.objects.all():
        run_in(company, deliveries.forget)


@app.periodic(cron="41 3 * * *")
@app.task(queueing_lock="forget_early_receipts")
def forget_early_receipts(timestamp: int) -> None:
    for company in Company.objects.all():
        run_in(company, _forget_early_receipts)


def _forget_early_receipts() -> None:
    EarlyReceipt.objects.filter(created_at__lt=timezone.now() - EARLY_RECEIPTS_KEPT).delete()


@app.periodic(cron="37 3 * * *")
@app.task(queueing_lock="forget_audit")
def forget_audit(timestamp: int) -> None:
    """Only where somebody has set how long it is kept."""
    for company in Company.objects.all() if settings.AUDIT_DAYS else ():
        run_in(company, recording.forget, days=settings.AUDIT_DAYS)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="expire_queued")
def expire_queued(timestamp: int) -> None:
    """Texts whose time is over while nobody brings their session online; the others' owners see to it at the moment.
    And what waits is counted, for operators."""
    tally.look_after_queues()


@app.periodic(cron="52 * * * *")
@app.task(queueing_lock="forget_idempotency_keys")
def forget_idempotency_keys(timestamp: int) -> None:
    for company in Company.objects.all():
        run_in(company, repeats.forget_old)
