"""`python -m config.stack.prepare DEMO_FILE`: migrations and the demo company in one process.

Loading Django takes longer than either of the two when nothing is to be done.
"""

import os
import sys

import django
from django.core.management import CommandError, call_command


def main(demo_file: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    try:
        call_command("upgrade")
        call_command("create_demo", "--output", demo_file)
    except CommandError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1])
