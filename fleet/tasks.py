"""Periodic housekeeping of the fleet and of the queue itself. Every task may run twice without harm."""

from datetime import timedelta
from typing import Final

from django.utils import timezone
from procrastinate.contrib.django import app

from fleet.models import Dispatcher, Trouble, Worker

#: A jobs process that was killed leaves its job as "doing"; its heartbeat tells after this long.
STALLED_SECONDS: Final = 30.0
WORKERS_KEPT: Final = timedelta(days=7)
TROUBLES_KEPT: Final = timedelta(days=90)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="return_stalled_jobs")
async def return_stalled_jobs(timestamp: int) -> None:
    """Give jobs of killed processes to living ones; handlers are idempotent, so at least once is enough."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        await app.job_manager.retry_job(job)


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="forget_old_workers")
def forget_old_workers(timestamp: int) -> None:
    """Workers that ended long ago and own nothing say nothing any more."""
    ended = Worker.objects.filter(stopped_at__lt=timezone.now() - WORKERS_KEPT, placements=None)
    ended.delete()
    Dispatcher.objects.filter(lease_until__lt=timezone.now() - WORKERS_KEPT, placements=None).delete()


@app.periodic(cron="23 3 * * *")
@app.task(queueing_lock="forget_old_troubles")
def forget_old_troubles(timestamp: int) -> None:
    """Outages that ended long ago are of no use to anybody."""
    Trouble.objects.filter(ended_at__lt=timezone.now() - TROUBLES_KEPT).delete()
