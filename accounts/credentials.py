"""What a live connection says who it is with: a person's token, or a program's key."""

from accounts.callers import Caller
from accounts.services.api_keys import caller_for_key, is_key
from accounts.tokens import caller_for_token
from accounts.tokens import expiry_of as token_ends_at
from tenants.models import Company


def caller_for_credential(said: str, host_company: Company | None = None) -> Caller:
    """Raises what `caller_for_token` and `caller_for_key` raise."""
    return caller_for_key(said, host_company) if is_key(said) else caller_for_token(said, host_company)


def ends_at(said: str) -> float | None:
    """In seconds since the epoch. A key's end may come any time: whoever holds a connection asks again now and then."""
    return None if is_key(said) else token_ends_at(said)
