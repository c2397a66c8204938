"""System A's database, read in one snapshot and as a stream (its tables: seed contract 3.1).

Prisma calls tables and columns like its models (`"WhatsAppChat"."lastMessageAt"`), unless a schema maps them to other
names; the usual mappings (snake_case, plurals) are found too. Rows come as dictionaries with the model's names; ids,
texts and enums are `str`, moments are seconds since 1970 (`float`), anything may be None.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from psycopg.rows import dict_row

from whatsapp.imports.errors import (
    SourceAddressWrong,
    SourceFileMissing,
    SourceTablesWrong,
    SourceUnreachable,
    SourceVariableMissing,
)

Row = dict[str, Any]

#: How many rows are in memory at once.
BATCH: Final = 5000

#: The columns that are used; those before the bar must be there, others may be missing in an older installation.
_COLUMNS: Final[Mapping[str, str]] = {
    "Company": "id name | slug isActive timezone currency language subscriptionPlan subscriptionStatus "
    "subscriptionExpiresAt maxAgents maxPhoneNumbers maxManagers maxMonthlyCalls createdAt",
    "User": "id email password companyId isVerified | role isActive firstName lastName createdAt",
    "Manager": "id email password companyId | firstName lastName adminId createdAt",
    "WhatsAppSession": "id companyId phoneNumber | displayName isActive lastSeen adminId createdAt updatedAt",
    "WhatsAppManagerAccess": "id sessionId managerId companyId canRead canWrite canManageChats | grantedAt grantedBy",
    "WhatsAppChat": "id sessionId companyId chatId | chatName isArchived lastMessageAt lastMessageText createdAt",
    "WhatsAppMessage": "id chatId sessionId companyId messageId fromMe body timestamp | fromNumber fromName "
    "messageType isRead managerId createdAt",
}
TABLES: Final = tuple(_COLUMNS)

_CATALOGUE: Final = """
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = %s
"""


def read_address(said: str) -> str:
    """The database's address, which holds a password: itself, or `env:NAME`, or `file:PATH`.

    Raises SourceAddressWrong, SourceVariableMissing, SourceFileMissing.
    """
    kind, _, place = said.partition(":")
    try:
        if kind == "env":
            said = os.environ[place]
        elif kind == "file":
            said = Path(place).read_text(encoding="utf-8")
    except KeyError as error:
        raise SourceVariableMissing from error
    except OSError as error:
        raise SourceFileMissing(problem=error.strerror) from error
    except UnicodeDecodeError as error:
        raise SourceAddressWrong from error
    if not said.strip():
        raise SourceAddressWrong
    return said.strip()


def for_libpq(address: str) -> tuple[str, str]:
    """Prisma's address as libpq takes it, and the schema that it names. Raises SourceAddressWrong."""
    base, _, query = address.rpartition("?") if "://" in address and "?" in address else (address, "", "")
    said = dict(parse_qsl(query))
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    kept = urlencode({name: value for name, value in said.items() if name in known}, quote_via=quote)
    conninfo = f"{base}?{kept}" if kept else base
    try:
        conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        # Neither the cause: libpq repeats what it could not read.
        raise SourceAddressWrong from None
    return conninfo, said.get("schema", "public")


@contextmanager
def open_source(address: str) -> Iterator["Source"]:
    """One snapshot of the database, which can only be read. Raises the errors of `whatsapp.imports.errors`."""
    conninfo, schema = for_libpq(address)
    try:
        with psycopg.connect(conninfo) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield Source(connection, schema)
    except psycopg.Error as error:
        raise SourceUnreachable(problem=str(error).strip()) from error


class Source:
    """The tables under their real names. Raises SourceTablesWrong when one is missing, or a column that matters."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str) -> None:
        self._connection = connection
        self._numbers = count(1)
        columns = _Catalogue(connection.execute(_CATALOGUE, [schema]).fetchall())
        self._selects = {table: columns.select(schema, table) for table in TABLES}
        if columns.missing:
            raise SourceTablesWrong(missing=", ".join(columns.missing))

    def companies(self) -> Iterator[Row]:
        """The oldest first."""
        return self._stream("Company", sql.SQL("ORDER BY {}, {}"), ["createdAt", "id"])

    def verified_users(self) -> Iterator[Row]:
        """Of all companies, the oldest first."""
        return self._stream("User", sql.SQL("WHERE {} ORDER BY {}, {}"), ["isVerified", "createdAt", "id"])

    def users(self, company_id: str) -> Iterator[Row]:
        return self._of(company_id, "User", "createdAt", "id")

    def managers(self, company_id: str) -> Iterator[Row]:
        return self._of(company_id, "Manager", "createdAt", "id")

    def sessions(self, company_id: str) -> Iterator[Row]:
        """The active ones first, of each the latest first."""
        order = sql.SQL("WHERE {} = %s ORDER BY {} DESC NULLS LAST, {} DESC NULLS LAST, {}")
        return self._stream("WhatsAppSession", order, ["companyId", "isActive", "updatedAt", "id"], company_id)

    def grants(self, company_id: str) -> Iterator[Row]:
        return self._of(company_id, "WhatsAppManagerAccess", "grantedAt", "id")

    def chats(self, company_id: str) -> Iterator[Row]:
        return self._of(company_id, "WhatsAppChat", "createdAt", "id")

    def messages(self, company_id: str) -> Iterator[Row]:
        """Chat by chat, of each the oldest first."""
        return self._of(company_id, "WhatsAppMessage", "chatId", "timestamp", "id")

    def has_nothing_but_users(self, company_id: str) -> bool:
        return not any(next(iter(self._of(company_id, table, "id")), None) for table in ("Manager", "WhatsAppSession"))

    def strays(self, table: str, company_ids: list[str]) -> Iterator[str]:
        """Ids of rows that belong to none of these companies."""
        for row in self._stream(table, sql.SQL("WHERE ({} = ANY(%s)) IS NOT TRUE"), ["companyId"], company_ids):
            yield str(row["id"])

    def _of(self, company_id: str, table: str, *order: str) -> Iterator[Row]:
        rest = "WHERE {} = %s ORDER BY " + ", ".join("{}" for _ in order)
        return self._stream(table, sql.SQL(rest), ["companyId", *order], company_id)

    def _stream(self, table: str, rest: sql.SQL, names: list[str], *values: object) -> Iterator[Row]:
        """Through a cursor of the server, a batch at a time."""
        select, columns = self._selects[table]
        query = select + rest.format(*(columns.get(name, sql.SQL("NULL")) for name in names))
        with self._connection.cursor(f"wharf_{next(self._numbers)}", row_factory=dict_row) as cursor:
            cursor.itersize = BATCH
            yield from cursor.execute(query, values)


class _Catalogue:
    """Which tables and columns there are, and what of ours is missing."""

    def __init__(self, rows: list[tuple[str, str, str]]) -> None:
        self.missing: list[str] = []
        self._types: dict[str, dict[str, str]] = {}
        for table, column, kind in rows:
            self._types.setdefault(table, {})[column] = kind

    def select(self, schema: str, table: str) -> tuple[sql.Composed, dict[str, sql.Identifier]]:
        """`SELECT … FROM table `, and each column's real name; columns that are missing are NULL."""
        real = _match(table, self._types)
        if real is None:
            self.missing.append(table)
            return sql.SQL("").format(), {}
        needed, _, optional = (part.split() for part in _COLUMNS[table].partition("|"))
        types = self._types[real]
        found = {name: column for name in needed + optional if (column := _match(name, types))}
        self.missing += [f"{table}.{name}" for name in needed if name not in found]
        fields = [_field(name, found.get(name), types) for name in needed + optional]
        select = sql.SQL("SELECT {} FROM {} ").format(sql.SQL(", ").join(fields), sql.Identifier(schema, real))
        return select, {name: sql.Identifier(column) for name, column in found.items()}


def _field(name: str, column: str | None, types: Mapping[str, str]) -> sql.Composed:
    if column is None:
        return sql.SQL("NULL AS {}").format(sql.Identifier(name))
    kind = types[column]
    form = "{}" if kind in ("boolean", "integer") else "{}::text"
    if kind.startswith("timestamp"):
        # Numbers, for PostgreSQL knows moments that Python does not.
        form = "extract(epoch FROM {})::float8"
    return sql.SQL(form + " AS {}").format(sql.Identifier(column), sql.Identifier(name))


def _match(name: str, actual: Mapping[str, object]) -> str | None:
    """`name` itself, else the one way in which it is written here."""
    if name in actual:
        return name
    plain = name.lower()
    forms = {plain, f"{plain}s", f"{plain}es", f"{plain[:-1]}ies"}
    found = [each for each in actual if each.replace("_", "").lower() in forms]
    return found[0] if len(found) == 1 else None
