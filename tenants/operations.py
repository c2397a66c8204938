"""Operations for migrations, beside Django's own: a migration is paid for once in each company's schema."""

from collections.abc import Sequence

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AlterField
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class AlterFields(Operation):
    """Several `AlterField` at once.

    Django makes classes anew of the model and of all that are related to it before each one, and that is most of the
    work. Here they are made once before and once after all.
    """

    def __init__(self, fields: Sequence[AlterField]) -> None:
        self.fields = fields

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        # As long as it has no classes, a change costs nothing.
        state.__dict__.pop("apps", None)
        for field in self.fields:
            field.state_forwards(app_label, state)

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for field in self.fields:
            field.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for field in self.fields:
            field.database_backwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return "; ".join(field.describe() for field in self.fields)
