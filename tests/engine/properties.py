"""How property tests run here: the same examples every time, and no clock."""

from typing import Final

from hypothesis import HealthCheck, settings

STEADY: Final = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
FEW: Final = settings(STEADY, max_examples=25)
