"""A clock that worker and hosts of one machine share."""

import time


def since_boot() -> float:
    """Seconds that the machine has been up; unlike the monotonic clock's, those while it slept count."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
