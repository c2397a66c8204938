"""Periodic housekeeping of the fleet and of the queue itself. Every task may run twice without harm."""

import logging
from datetime import timedelta
from typing import Final

from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status

from fleet.models import Dispatcher, Trouble, Worker

log = logging.getLogger("fleet.jobs")

#: A jobs process that was killed leaves its job as "doing"; its heartbeat tells after this long.
STALLED_SECONDS: Final = 30.0
WORKERS_KEPT: Final = timedelta(days=7)
TROUBLES_KEPT: Final = timedelta(days=90)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="return_stalled_jobs")
async def return_stalled_jobs(timestamp: int) -> None:
    """Give jobs of killed processes to living ones; handlers are idempotent, so at least once is enough."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        await _give_back(job)


async def _give_back(job: Job) -> None:
    try:
        await app.job_manager.retry_job(job)
    except UniqueViolation:
        # The same is queued anew already, as happens with what is due every minute: that one does it.
        await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)
        log.info("job %s (%s) was left by a killed process, and is queued anew", job.id, job.task_name)
    else:
        log.warning("job %s (%s) was left by a killed process, and is done again", job.id, job.task_name)


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
