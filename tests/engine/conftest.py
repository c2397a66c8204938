"""The sandbox for tests of the real engine."""

from tests.whatsapp.conftest import on_sandbox, sandbox

__all__ = ["on_sandbox", "sandbox"]
