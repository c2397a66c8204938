"""Pictures of the pages for the documentation: `python -m tests.screenshots` writes docs/screenshots/*.png."""

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    pictures = Path(__file__).parent / "pages" / "pictures.py"
    raise SystemExit(pytest.main([str(pictures), "-q", *sys.argv[1:]]))
