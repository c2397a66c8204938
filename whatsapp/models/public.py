"""Links from a company's tables to the public ones: looked up like any other, but without a database constraint.

Nor has it an index: nobody asks for all that a person made, and each index is written with every row. Where somebody
does ask, the model names one.

A constraint would put triggers on the public table for each company, and deleting from it would have to look into
every schema. People and placements are never deleted (docs/architecture.md, tenancy).
"""

from typing import Any

from django.db import models


def to_public(model: str, **options: Any) -> Any:
    """A foreign key to a row in the public schema."""
    return models.ForeignKey(
        model, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+", **options
    )
