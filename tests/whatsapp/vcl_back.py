"""A database of system A: its tables as its migrations make them (seed contract 3.1), and rows as it writes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final
from urllib.parse import quote

import psycopg
from django.db import connection
from psycopg import sql

TABLES: Final = """
CREATE TABLE "Company" (
    "id" TEXT NOT NULL PRIMARY KEY, "name" TEXT NOT NULL, "slug" TEXT NOT NULL UNIQUE,
    "isActive" BOOLEAN NOT NULL DEFAULT true, "timezone" TEXT NOT NULL DEFAULT 'UTC',
    "currency" TEXT NOT NULL DEFAULT 'USD', "language" TEXT NOT NULL DEFAULT 'ru',
    "subscriptionPlan" TEXT NOT NULL DEFAULT 'basic', "subscriptionStatus" TEXT NOT NULL DEFAULT 'active',
    "subscriptionExpiresAt" TIMESTAMP(3), "maxAgents" INTEGER NOT NULL DEFAULT 10,
    "maxPhoneNumbers" INTEGER NOT NULL DEFAULT 5, "maxManagers" INTEGER NOT NULL DEFAULT 3,
    "maxMonthlyCalls" INTEGER NOT NULL DEFAULT 1000, "createdBy" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT now()
);
CREATE TABLE "User" (
    "id" TEXT NOT NULL PRIMARY KEY, "email" TEXT NOT NULL UNIQUE, "password" TEXT NOT NULL,
    "firstName" TEXT NOT NULL DEFAULT '', "lastName" TEXT NOT NULL DEFAULT '', "companyName" TEXT,
    "role" TEXT NOT NULL DEFAULT 'admin', "isVerified" BOOLEAN NOT NULL DEFAULT false,
    "isActive" BOOLEAN NOT NULL DEFAULT true, "verificationCode" TEXT, "resetPasswordCode" TEXT,
    "companyId" TEXT NOT NULL REFERENCES "Company" ON DELETE CASCADE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT now()
);
CREATE TABLE "Manager" (
    "id" TEXT NOT NULL PRIMARY KEY, "email" TEXT NOT NULL UNIQUE, "password" TEXT NOT NULL,
    "firstName" TEXT NOT NULL DEFAULT '', "lastName" TEXT NOT NULL DEFAULT '', "companyName" TEXT,
    "role" TEXT NOT NULL DEFAULT 'manager', "adminId" TEXT NOT NULL REFERENCES "User" ON DELETE CASCADE,
    "companyId" TEXT NOT NULL REFERENCES "Company" ON DELETE CASCADE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT now()
);
CREATE TABLE "WhatsAppSession" (
    "id" TEXT NOT NULL PRIMARY KEY, "companyId" TEXT NOT NULL REFERENCES "Company" ON DELETE CASCADE,
    "phoneNumber" TEXT NOT NULL, "displayName" TEXT, "isActive" BOOLEAN NOT NULL DEFAULT false,
    "isConnected" BOOLEAN NOT NULL DEFAULT false, "qrCode" TEXT, "sessionData" TEXT, "lastSeen" TIMESTAMP(3),
    "adminId" TEXT NOT NULL REFERENCES "User" ON DELETE CASCADE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT now(),
    UNIQUE ("companyId", "phoneNumber")
);
CREATE TABLE "WhatsAppManagerAccess" (
    "id" TEXT NOT NULL PRIMARY KEY, "sessionId" TEXT NOT NULL REFERENCES "WhatsAppSession" ON DELETE CASCADE,
    "managerId" TEXT NOT NULL REFERENCES "Manager" ON DELETE CASCADE, "companyId" TEXT NOT NULL,
    "canRead" BOOLEAN NOT NULL DEFAULT true, "canWrite" BOOLEAN NOT NULL DEFAULT true,
    "canManageChats" BOOLEAN NOT NULL DEFAULT false, "grantedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "grantedBy" TEXT NOT NULL REFERENCES "User", UNIQUE ("sessionId", "managerId")
);
CREATE TABLE "WhatsAppChat" (
    "id" TEXT NOT NULL PRIMARY KEY, "sessionId" TEXT NOT NULL REFERENCES "WhatsAppSession" ON DELETE CASCADE,
    "companyId" TEXT NOT NULL, "chatId" TEXT NOT NULL, "chatName" TEXT, "chatType" TEXT NOT NULL DEFAULT 'individual',
    "isGroup" BOOLEAN NOT NULL DEFAULT false, "lastMessageAt" TIMESTAMP(3), "lastMessageText" TEXT,
    "isArchived" BOOLEAN NOT NULL DEFAULT false, "unreadCount" INTEGER NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT now(),
    UNIQUE ("sessionId", "chatId")
);
CREATE TABLE "WhatsAppMessage" (
    "id" TEXT NOT NULL PRIMARY KEY, "chatId" TEXT NOT NULL REFERENCES "WhatsAppChat" ON DELETE CASCADE,
    "sessionId" TEXT NOT NULL REFERENCES "WhatsAppSession" ON DELETE CASCADE, "companyId" TEXT NOT NULL,
    "messageId" TEXT NOT NULL, "fromMe" BOOLEAN NOT NULL, "fromNumber" TEXT NOT NULL, "fromName" TEXT,
    "body" TEXT NOT NULL, "messageType" TEXT NOT NULL DEFAULT 'text', "mediaUrl" TEXT,
    "timestamp" TIMESTAMP(3) NOT NULL,
    "isRead" BOOLEAN NOT NULL DEFAULT false, "managerId" TEXT REFERENCES "Manager" ON DELETE SET NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE ("sessionId", "messageId")
);
"""
#: What everybody has there.
PASSWORD: Final = "harbour-lights-7"
NOON: Final = datetime(2025, 8, 1, 12, tzinfo=UTC)


@dataclass
class VclBack:
    """`add("User", email=…)` writes a row and gives its id; what is not said has a value that system A would write."""

    connection: psycopg.Connection[Any]
    address: str
    password: str
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def add(self, table: str, **values: Any) -> str:
        row = {"id": self.cuid()} | values
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(sql.Identifier(name) for name in row),
            sql.SQL(", ").join([sql.SQL("%s")] * len(row)),
        )
        self.connection.execute(query, list(row.values()))
        return str(row["id"])

    def cuid(self) -> str:
        return f"cmd5u0y7b{next(self._numbers):016d}"

    def change(self, statement: str) -> None:
        self.connection.execute(statement.encode())

    def set(self, table: str, row_id: str, column: str, value: Any) -> None:
        query = sql.SQL("UPDATE {} SET {} = %s WHERE id = %s")
        self.connection.execute(query.format(sql.Identifier(table), sql.Identifier(column)), [value, row_id])

    # -- what is there usually ---------------------------------------------------------------------------------------
    def company(self, name: str = "Ромашка", slug: str = "romashka", **values: Any) -> str:
        return self.add("Company", name=name, slug=slug, **values)

    def admin(self, company: str, email: str = "anna@romashka.test", *, verified: bool = True, **values: Any) -> str:
        names = {"firstName": "Анна", "lastName": "Котова"}
        return self.add(
            "User", companyId=company, email=email, password=self.password, isVerified=verified, **names, **values
        )

    def manager(self, company: str, admin: str, email: str = "mila@romashka.test", **values: Any) -> str:
        known = {"password": self.password, "firstName": "Мила", "lastName": "Ли"} | values
        return self.add("Manager", companyId=company, adminId=admin, email=email, **known)

    def session(self, company: str, admin: str, phone: str = "74951234567", **values: Any) -> str:
        known = {"displayName": "Ромашка", "isActive": True, "isConnected": True} | values
        return self.add("WhatsAppSession", companyId=company, adminId=admin, phoneNumber=phone, **known)

    def grant(self, session: str, manager: str, admin: str, **values: Any) -> str:
        known = {"companyId": self.company_of(session), "grantedBy": admin, "grantedAt": NOON} | values
        return self.add("WhatsAppManagerAccess", sessionId=session, managerId=manager, **known)

    def chat(self, session: str, jid: str, name: str | None = None, **values: Any) -> str:
        known = {"companyId": self.company_of(session), "createdAt": NOON, "isGroup": jid.endswith("@g.us")} | values
        return self.add("WhatsAppChat", sessionId=session, chatId=jid, chatName=name, **known)

    def message(self, session: str, chat: str, body: str, *, from_me: bool = False, **values: Any) -> str:
        (jid,) = self.one('SELECT "chatId" FROM "WhatsAppChat" WHERE id = %s', chat)
        number = next(self._numbers)
        known = {
            "companyId": self.company_of(session),
            "messageId": f"{str(from_me).lower()}_{jid}_3EB0{number:016X}",
            "fromNumber": "74951234567" if from_me else jid,
            "messageType": "text" if from_me else "chat",
            "timestamp": NOON,
        }
        return self.add("WhatsAppMessage", sessionId=session, chatId=chat, body=body, fromMe=from_me, **known | values)

    def company_of(self, session: str) -> str:
        return str(self.one('SELECT "companyId" FROM "WhatsAppSession" WHERE id = %s', session)[0])

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Each table's rows, with what tells a row that was written again from one that was not."""
        names = self.connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        query = sql.SQL("SELECT t.xmin, t.ctid, t.* FROM {} t ORDER BY t.ctid")
        return {name: self.connection.execute(query.format(sql.Identifier(name))).fetchall() for (name,) in names}

    def one(self, query: str, *values: Any) -> tuple[Any, ...]:
        row = self.connection.execute(query.encode(), values).fetchone()
        assert row
        return tuple(row)

    def empty(self) -> None:
        """As it was made, whatever a test did to it."""
        self.connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public;" + TABLES)


@contextmanager
def made_beside(password_hash: str) -> Iterator[VclBack]:
    """A database of its own on the tests' server."""
    params = {**connection.get_connection_params()}
    name = f"{connection.settings_dict['NAME']}_vcl_back"
    known = {key: params[key] for key in ("host", "port", "user", "password") if params.get(key)}
    with psycopg.connect(**known, dbname="postgres", autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name)))
    with psycopg.connect(**known, dbname=name, autocommit=True) as own:
        # As system A's environment has it: Prisma puts words of its own behind.
        parts = {key: quote(str(value), safe="") for key, value in known.items()}
        place = f"{parts.get('host', '')}:{parts['port']}" if "port" in parts else parts.get("host", "")
        login = f"{parts.get('user', '')}:{parts['password']}" if "password" in parts else parts.get("user", "")
        address = f"postgresql://{login}@{place}/{name}?schema=public&connection_limit=5"
        yield VclBack(own, address, password_hash)
