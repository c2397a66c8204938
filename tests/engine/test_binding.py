"""A host loads the engine, and nothing beside it that none of our calls reaches: each session's process pays for it."""

import json
import subprocess
import sys

#: Says what is loaded, and what was to be left out.
LOADS_A_HOST = """
import json, sys
import whatsapp.engine.host
from whatsapp.engine.binding import LEFT_OUT
json.dump([sorted(sys.modules), sorted(LEFT_OUT)], sys.stdout)
"""
LOADS_THE_REAL_THING = "import whatsapp.engine.host, httpx, PIL.Image; print(httpx.Client, PIL.Image.Image)"


def said_by(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_a_host_loads_nothing_that_it_does_not_need() -> None:
    loaded, left_out = json.loads(said_by(LOADS_A_HOST))

    assert {"neonize.client", "whatsapp.engine.neonize"} <= set(loaded)
    assert {"linkpreview", "httpx"} <= set(left_out)
    assert not set(left_out) & set(loaded)


def test_whoever_needs_what_was_left_out_gets_the_real_thing_afterwards() -> None:
    assert "httpx.Client" in said_by(LOADS_THE_REAL_THING)
