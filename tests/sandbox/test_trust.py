"""The root key is replaced in memory, once, and only in a library that we know."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sandbox.trust import trust_root
from tests.sandbox.driver import PROJECT


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)


def test_it_may_be_repeated_with_the_same_key_and_no_other() -> None:
    done = run(
        "import neonize\n"
        "from sandbox.trust import CannotTrust, trust_root\n"
        "assert trust_root(bytes(32)) == trust_root(bytes(32))\n"
        "try:\n    trust_root(b'1' * 32)\nexcept CannotTrust as error:\n    print(error)\n"
    )

    assert done.stdout == "the root key was replaced already, by another one\n", done.stderr


def test_it_brings_nothing_heavy_along() -> None:
    done = run(
        "import sys, sandbox.trust\n"
        "print([m for m in ('django', 'starlette', 'cryptography', 'neonize', 'google.protobuf') if m in sys.modules])"
    )

    assert done.stdout == "[]\n", done.stderr


def test_the_protobufs_come_without_the_go_library() -> None:
    done = run(
        "import sys\nfrom sandbox.protocol.protos import e2e\n"
        "print(e2e.Message(conversation='x').conversation, 'neonize' in sys.modules)\n"
        "print('neonize-' in open('/proc/self/maps').read())"
    )

    assert done.stdout == "x False\nFalse\n", done.stderr


def test_without_neonize_in_the_process_nothing_is_touched() -> None:
    done = run(
        "from sandbox.trust import CannotTrust, trust_root\n"
        "try:\n    trust_root(bytes(32))\nexcept CannotTrust as error:\n    print(error)\n"
    )

    assert "import neonize first" in done.stdout, done.stderr


def test_a_key_of_another_length_is_no_key() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        trust_root(bytes(31))
