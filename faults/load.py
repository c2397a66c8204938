"""The load: customers write, a client sends over REST until it is answered, another one reads the event log."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx

from faults.cast import Cast, Company, Session
from faults.ledger import Asked, Spoken
from faults.plan import Written

#: A client's patience with one request, and its pause before it asks again.
TIMEOUT_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.3
#: Answers after which asking again with the same key is right: somebody is at it, too many, or not now.
AGAIN: Final = frozenset({409, 425, 429, 500, 502, 503, 504})
WRITERS: Final = 6
SENDERS: Final = 6


class Load:
    """`spoken` and `asked` grow while it runs; `run` returns when all is written and answered.

    `repeated` counts what made the sending client ask again: a status, or that nobody answered.
    """

    def __init__(self, cast: Cast, url: str, ended: threading.Event) -> None:
        self._cast, self._url, self._ended = cast, url, ended
        self.spoken: list[Spoken] = []
        self.asked: list[Asked] = []
        self.repeated: Counter[str] = Counter()

    def run(self, incoming: Sequence[Written], outgoing: Sequence[Written], began: float) -> None:
        """`began` is monotonic."""
        with httpx.Client(base_url=self._url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            sending = threading.Thread(target=self._at_their_times, args=(outgoing, began, SENDERS, self._send(client)))
            sending.start()
            self._at_their_times(incoming, began, WRITERS, self._write)
            sending.join()

    def _at_their_times(
        self, texts: Sequence[Written], began: float, hands: int, act: Callable[[Session, Written], None]
    ) -> None:
        with ThreadPoolExecutor(hands) as pool:
            done = []
            for text in texts:
                if self._ended.wait(max(0.0, began + text.at - time.monotonic())):
                    break
                done.append(pool.submit(act, self._cast.sessions[text.session], text))
            for each in done:
                each.result()

    def _write(self, session: Session, text: Written) -> None:
        if self._ended.is_set():
            return
        at = time.time()
        wa_id = session.customers[text.customer].sends(session.phone, text.text)
        self.spoken.append(Spoken(wa_id, session.id, text.text, at))

    def _send(self, client: httpx.Client) -> Callable[[Session, Written], None]:
        def send(session: Session, text: Written) -> None:
            message_id = self._until_answered(client, session, text) if not self._ended.is_set() else ""
            self.asked.append(Asked(text.text, session.id, message_id))

        return send

    def _until_answered(self, client: httpx.Client, session: Session, text: Written) -> str:
        """What a good client does: the same request with the same key, until somebody answers."""
        path = f"/api/whatsapp/sessions/{session.id}/messages"
        body = {"phone": session.customers[text.customer].number, "message": text.text}
        headers = {"Authorization": f"Bearer {session.company.token}", "Idempotency-Key": f"{session.id} {text.text}"}
        while not self._ended.is_set():
            try:
                answer = client.post(path, json=body, headers=headers)
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.is_success:
                return str(answer.json()["data"]["id"])
            if answer is not None and answer.status_code not in AGAIN:
                return ""
            self.repeated[str(answer.status_code) if answer is not None else "no answer"] += 1
            self._ended.wait(PAUSE_SECONDS)
        return ""


class Reader:
    """Reads one company's event log over REST as it grows, from a cursor to the next, whatever happens to the web."""

    def __init__(self, company: Company, url: str, ended: threading.Event) -> None:
        self._company, self._url, self._ended = company, url, ended
        self.read: list[tuple[str, int, str]] = []
        self.start = 0
        self._cursor = "now"
        self._thread = threading.Thread(target=self._read_on, daemon=True)

    def begin(self) -> None:
        """From here on; the answer to the first question is waited for."""
        with self._client() as client:
            self._cursor = self._ask(client, wait=0)["next"]
        self.start = int(self._cursor)
        self._thread.start()

    @property
    def cursor(self) -> int:
        return int(self._cursor)

    def finish(self) -> None:
        self._thread.join(TIMEOUT_SECONDS * 2)

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._company.token}"}
        return httpx.Client(base_url=self._url, timeout=TIMEOUT_SECONDS, trust_env=False, headers=headers)

    def _read_on(self) -> None:
        with self._client() as client:
            while not self._ended.is_set():
                try:
                    page = self._ask(client, wait=2)
                except httpx.HTTPError:
                    self._ended.wait(PAUSE_SECONDS)
                    continue
                self.read += [(self._company.slug, int(each["cursor"]), each["id"]) for each in page["events"]]
                self._cursor = page["next"]

    def _ask(self, client: httpx.Client, *, wait: int) -> Any:
        """Raises httpx.HTTPError for everything but an answer."""
        query: dict[str, str | int] = {"after": self._cursor, "limit": 1000, "wait": wait}
        answer = client.get("/api/whatsapp/events", params=query).raise_for_status()
        return answer.json()["data"]
