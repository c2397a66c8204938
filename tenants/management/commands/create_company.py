"""`manage.py create_company NAME`: a company with its own schema, ready for its first admin (`create_member`)."""

from typing import Any

from django.core.management.base import CommandParser

from tenants.provisioning import create_company
from wharf.commands import WharfCommand


class Command(WharfCommand):
    help = "Make a company with a schema of its own."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--slug", help="Short name in Latin letters; made from the name when left out.")
        parser.add_argument("--max-sessions", type=int, default=1, help="How many sessions may be live at once.")
        parser.add_argument("--allow-sandbox", action="store_true", help="Sessions on the sandbox are allowed.")
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        company = create_company(
            name=options["name"],
            slug=options["slug"],
            max_sessions=options["max_sessions"],
            sandbox_allowed=options["allow_sandbox"],
        )
        facts = {"id": company.pk, "name": company.name, "slug": company.slug, "schema": company.schema_name}
        self.tell(options, facts, f"Made {company.name} ({company.slug}).")
