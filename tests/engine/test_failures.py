"""What whatsmeow's words about a failed send prove, and what they do not."""

import pytest

from whatsapp.engine.failures import outcome_of, outcome_without_a_trace
from whatsapp.engine.port import SendOutcome

PIPE = "failed to write msg: failed to write frame: failed to flush: write tcp [::1]:1->[::1]:2: write: broken pipe"
CUT = "failed to send usync query: info query was interrupted by websocket disconnection (<xmlstreamend/>)"


@pytest.mark.parametrize("why", ["websocket not connected", "frame socket is closed", PIPE])
def test_a_message_that_could_not_be_written_was_not_sent(why: str) -> None:
    assert outcome_of(f"failed to send message node: {why}") == SendOutcome.NOT_SENT


@pytest.mark.parametrize("why", ["websocket not connected", "frame socket is closed", PIPE])
def test_a_message_that_could_not_be_written_a_second_time_may_have_arrived_the_first_time(why: str) -> None:
    """whatsmeow writes anew what was under way when the connection broke, and says so without the step's name."""
    assert outcome_of(why) == SendOutcome.UNCONFIRMED


@pytest.mark.parametrize(
    "detail",
    [
        "message send was interrupted by websocket disconnection (<xmlstreamend/>)",
        "message send (retry) was interrupted by websocket disconnection (<xmlstreamend/>)",
        "failed to send message node: context canceled",
        "timed out waiting for message send response",
        "KeyError",
    ],
)
def test_a_message_that_may_have_been_written_is_unconfirmed(detail: str) -> None:
    assert outcome_of(detail) == SendOutcome.UNCONFIRMED


@pytest.mark.parametrize("step", ["failed to get device list", "failed to get user info for 49@s to fill LID cache"])
@pytest.mark.parametrize(
    ("why", "outcome"),
    [
        (CUT, SendOutcome.NOT_SENT),
        ("failed to send usync query: websocket not connected", SendOutcome.NOT_SENT),
        ("failed to send usync query: info query timed out", SendOutcome.NOT_SENT),
        ("failed to send usync query: info query returned status 429: rate-overlimit", SendOutcome.REFUSED),
    ],
)
def test_what_failed_while_a_message_was_made_ready_kept_it_from_leaving(
    step: str, why: str, outcome: SendOutcome
) -> None:
    assert outcome_of(f"{step}: {why}") == outcome


@pytest.mark.parametrize("detail", ["server returned error 463", "no LID found for 49@s.whatsapp.net from server"])
def test_a_refusal_is_one(detail: str) -> None:
    assert outcome_of(detail) == SendOutcome.REFUSED


@pytest.mark.parametrize(
    ("detail", "outcome"),
    [
        ("the store doesn't contain a device JID: not logged in", SendOutcome.NOT_SENT),
        ("the engine does not know such a message", SendOutcome.REFUSED),
    ],
)
def test_what_left_no_trace_is_sent_again_only_when_a_connection_was_missing(detail: str, outcome: SendOutcome) -> None:
    assert outcome_without_a_trace(detail) == outcome


@pytest.mark.parametrize(
    "detail",
    [
        "timed out waiting for message send response",
        "websocket disconnected before message send returned response",
        "websocket disconnected before message send (retry) returned response",
    ],
)
def test_what_waited_for_its_answer_may_have_arrived_though_it_left_no_trace(detail: str) -> None:
    """The engine only warns when it cannot store the secret of a message, and sends it all the same."""
    assert outcome_without_a_trace(detail) == SendOutcome.UNCONFIRMED
