"""`manage.py create_operator EMAIL`: somebody who sees all companies, in Django's admin."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.permissions import SYSTEM
from accounts.services.people import create_operator
from wharf.commands import WharfCommand


class Command(WharfCommand):
    help = "Make an account that sees all companies."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        self.add_password(parser)
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        made = create_operator(email=options["email"], by=SYSTEM, password=self.read_password(options))
        facts = {"email": made.user.email, "password": made.password}
        given = "They log in with the password you gave."
        about_password = f"Password, shown only now: {made.password}" if made.password else given
        self.tell(options, facts, f"{made.user.email} is now an operator.", about_password)
