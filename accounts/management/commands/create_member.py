"""`manage.py create_member EMAIL --company SLUG --role ROLE`: a person with a role in a company."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.models import Role
from accounts.permissions import SYSTEM
from accounts.services.people import create_member
from tenants.companies import find_company
from wharf.commands import WharfCommand


class Command(WharfCommand):
    help = "Give a person a role in a company; their account is made when they have none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--company", required=True, help="The company's slug or id.")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--first-name", default="")
        parser.add_argument("--last-name", default="")
        self.add_password(parser)
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        company = find_company(options["company"])
        made = create_member(
            company=company,
            email=options["email"],
            role=Role(options["role"]),
            by=SYSTEM,
            first_name=options["first_name"],
            last_name=options["last_name"],
            password=self.read_password(options),
        )
        user = made.membership.user
        facts = {"email": user.email, "company": company.slug, "role": options["role"], "password": made.password}
        kept = "They log in with the password they have.", "They log in with the password you gave."
        about_password = f"Password, shown only now: {made.password}" if made.password else kept[made.is_new_person]
        self.tell(options, facts, f"{user.email} is now {options['role']} of {company.name}.", about_password)
