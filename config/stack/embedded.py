"""PostgreSQL and Valkey for one folder, or for one test run: `with EmbeddedStack(folder) as stack: …`."""

import secrets
import shutil
from pathlib import Path
from types import TracebackType

from config.stack.locks import FolderLock
from config.stack.places import (
    in_itself,
    lasting_places,
    private_folder,
    short_name,
    socket_parent,
    throwaway_folder,
)
from config.stack.postgres import Postgres
from config.stack.processes import MARK, end, marked
from config.stack.valkey import Valkey


class EmbeddedStack:
    """Both servers, up between `start` and `stop`; start it from the main thread, whose end they share.

    With a folder the data lasts and one stack at a time holds the folder (AlreadyRunning tells the second).
    `throwaway` needs no folder, trades safety for speed and leaves nothing behind.
    """

    def __init__(self, folder: Path | None = None, *, throwaway: bool = False) -> None:
        if throwaway == (folder is not None):
            raise ValueError("either a folder, or throwaway")
        self._folder = throwaway_folder() if folder is None else private_folder(folder)
        self.throwaway = throwaway
        self.lock = FolderLock(self._folder)
        self.lock.take()
        try:
            self._prepare()
        except BaseException:
            self.lock.release()
            raise

    def _prepare(self) -> None:
        folder_mark = f"{short_name(self._folder)}."
        # We hold the lock: what still carries the folder's mark belongs to a run that is dead.
        end(marked(folder_mark), grace=10)
        #: Every process of this run carries it, and no process of another one.
        self.mark = folder_mark + secrets.token_hex(8)
        self.places = in_itself(self._folder) if self.throwaway else lasting_places(self._folder)
        self.postgres = Postgres(self.places, throwaway=self.throwaway, mark={MARK: self.mark})
        self.valkey = Valkey(self.places, mark={MARK: self.mark})

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.valkey.url

    def start(self) -> None:
        try:
            socket_parent(self.places.sockets)
            self.valkey.start()
            self.postgres.start()
            self.postgres.wait_ready()
            self.valkey.wait_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()
        shutil.rmtree(self.places.home if self.throwaway else self.places.sockets, ignore_errors=True)
        self.lock.release()

    def __enter__(self) -> "EmbeddedStack":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
