"""A token opens one company to one person, and nothing once anything about either has changed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken

from accounts.callers import caller_for_session
from accounts.models import Role, User
from accounts.permissions import SYSTEM, Permission
from accounts.services.people import change_person, create_member, remove_member, set_password
from accounts.tokens import caller_for_token
from tenants.companies import suspend_company
from tenants.domains import save_domain
from tenants.errors import CompanyInactive
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person, client_for
from wharf.errors import NotAuthenticated

REFUSED = {"success": False, "code": "not_authenticated", "message": "Не авторизован"}


def ask_with(token: str, **headers: str) -> Any:
    return client_for(language="").get("/api/auth/me", headers={"authorization": f"Bearer {token}", **headers})


def payload(person: Person) -> dict[str, Any]:
    return dict(AccessToken(person.token).payload)  # type: ignore[arg-type]  # takes the text too


def signed(claims: dict[str, Any], key: str = settings.SECRET_KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


def test_a_token_says_who_asks_and_for_which_company(acme_admin: Person) -> None:
    caller = caller_for_token(acme_admin.token)

    assert (caller.user, caller.company) == (acme_admin.user, acme_admin.company)
    assert caller.actor.company_id == acme_admin.company.pk
    assert caller.actor.permissions == frozenset(Permission)


def test_a_token_is_believed_with_one_query(acme_admin: Person) -> None:
    token = acme_admin.token

    with CaptureQueriesContext(connection) as queries:
        caller_for_token(token)

    assert len([query for query in queries if "search_path" not in query["sql"]]) == 1


def test_a_token_signed_like_ours_is_accepted(acme_admin: Person) -> None:
    """So that the refusals below are for what they change."""
    assert ask_with(signed(payload(acme_admin))).status_code == 200


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda claims: signed(claims | {"exp": claims["iat"] - 1}), id="expired"),
        pytest.param(lambda claims: signed(claims, key="x" * 64), id="signed by somebody else"),
        pytest.param(lambda claims: signed(claims, algorithm="HS512"), id="another algorithm"),
        pytest.param(lambda claims: signed(claims, key="", algorithm="none"), id="no signature"),
        pytest.param(lambda claims: signed(claims)[:-3] + "abc", id="tampered signature"),
        pytest.param(lambda claims: signed(claims | {"token_type": "refresh"}), id="another type"),
        pytest.param(lambda claims: signed({**claims, "company": None}), id="no company"),
        pytest.param(lambda claims: signed({**claims, "company": ["a"]}), id="a company that is no text"),
        pytest.param(lambda claims: signed({**claims, "userId": 7}), id="a user that is no text"),
        pytest.param(lambda claims: signed({k: v for k, v in claims.items() if k != "stamp"}), id="no stamp"),
        pytest.param(lambda claims: signed({**claims, "stamp": "0" * 16}), id="another stamp"),
        pytest.param(lambda claims: "not.a.token", id="no token at all"),
        pytest.param(lambda claims: "", id="nothing"),
        pytest.param(lambda claims: "a" * 100_000, id="very long"),
    ],
)
def test_a_token_with_anything_wrong_is_refused(acme_admin: Person, spoil: Callable[[dict[str, Any]], str]) -> None:
    response = ask_with(spoil(payload(acme_admin)))

    assert (response.status_code, response.json()) == (401, REFUSED)
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("kind", [RefreshToken, SlidingToken])
def test_other_types_of_token_are_refused(acme_admin: Person, kind: Any) -> None:
    token = kind()
    token.payload.update({k: v for k, v in payload(acme_admin).items() if k not in ("token_type", "jti", "exp")})

    assert ask_with(str(token)).status_code == 401


def test_an_unknown_user_type_is_refused_in_the_older_systems_words(acme_admin: Person) -> None:
    response = ask_with(signed(payload(acme_admin) | {"userType": "robot"}))

    assert (response.status_code, response.json()["message"]) == (401, "Недопустимый тип пользователя")


def test_a_token_of_one_company_is_nothing_in_another(acme_admin: Person, globex: Company) -> None:
    assert ask_with(signed(payload(acme_admin) | {"company": globex.pk})).json() == REFUSED


def test_a_token_is_refused_on_another_companys_host(acme_admin: Person, globex: Company) -> None:
    save_domain(company=globex, name="chat.globex.test")
    save_domain(company=acme_admin.company, name="chat.acme.test")

    assert ask_with(acme_admin.token, host="chat.globex.test").json() == REFUSED
    assert ask_with(acme_admin.token, host="chat.acme.test").status_code == 200


def test_a_removed_member_is_refused_at_once(acme_admin: Person, acme_manager: Person) -> None:
    token = acme_manager.token
    assert acme_manager.membership is not None
    remove_member(membership=acme_manager.membership, by=acme_admin.actor)

    assert ask_with(token).json() == REFUSED


def test_an_inactive_person_is_refused_at_once(acme_manager: Person) -> None:
    token = acme_manager.token
    change_person(user=acme_manager.user, by=SYSTEM, is_active=False)

    assert ask_with(token).json() == REFUSED


def test_a_suspended_company_is_refused_at_once(acme_manager: Person) -> None:
    token = acme_manager.token
    suspend_company(acme_manager.company)

    response = ask_with(token)

    assert (response.status_code, response.json()["message"]) == (401, "Компания неактивна")


def test_a_new_password_ends_the_tokens_made_before(acme_manager: Person) -> None:
    token = acme_manager.token
    set_password(user=acme_manager.user, password=None, by=SYSTEM)

    assert ask_with(token).json() == REFUSED


def test_a_changed_role_counts_at_once(acme_manager: Person, acme_admin: Person) -> None:
    token = acme_manager.token
    assert acme_manager.membership is not None
    acme_manager.membership.role = Role.ADMIN
    acme_manager.membership.save()

    assert caller_for_token(token).actor.role == Role.ADMIN


def test_an_operator_acts_for_a_company_without_being_a_member(operator: Person) -> None:
    caller = caller_for_token(operator.token)

    assert (caller.company, caller.actor.is_operator) == (operator.company, True)
    assert caller.actor.permissions == frozenset(Permission)


def test_who_is_no_operator_any_more_is_refused(operator: Person) -> None:
    token = operator.token
    User.objects.filter(pk=operator.user.pk).update(is_superuser=False)

    assert ask_with(token).json() == REFUSED


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Token abc", "Bearer", "Bearer "])
def test_without_a_bearer_token_one_is_nobody(db: None, header: str) -> None:
    response = client_for(language="").get("/api/auth/me", headers={"authorization": header} if header else {})

    assert (response.status_code, response.json()) == (401, REFUSED)


def test_a_page_session_remembers_its_company(acme_admin: Person, globex: Company) -> None:
    create_member(company=globex, email=acme_admin.user.email, role=Role.MANAGER, by=SYSTEM)

    assert caller_for_session(acme_admin.user, None).company == acme_admin.company
    assert caller_for_session(acme_admin.user, globex.pk).actor.role == Role.MANAGER
    assert caller_for_session(acme_admin.user, None, host_company=globex).company == globex


def test_a_page_session_is_as_strict_as_a_token(acme_admin: Person, globex: Company, operator: Person) -> None:
    with pytest.raises(NotAuthenticated):
        caller_for_session(acme_admin.user, globex.pk)
    with pytest.raises(NotAuthenticated):
        caller_for_session(acme_admin.user, acme_admin.company.pk, host_company=globex)
    with pytest.raises(NotAuthenticated):
        caller_for_session(operator.user, None)
    suspend_company(acme_admin.company)
    with pytest.raises(CompanyInactive):
        caller_for_session(acme_admin.user, None)


def test_me_is_flat_and_has_the_older_systems_keys(api: ApiClients, acme_admin: Person) -> None:
    me = api(acme_admin).get("/api/auth/me").json()

    assert list(me) == [
        *("id", "email", "firstName", "lastName", "companyName"),
        *("role", "isVerified", "createdAt", "updatedAt", "company"),
    ]
    assert me["company"] == {"id": acme_admin.company.pk, "name": "Acme", "slug": "acme"}
    assert (me["role"], me["isVerified"], me["companyName"]) == ("admin", True, "Acme")
    assert me["createdAt"].endswith("Z")
    assert len(me["createdAt"]) == len("2025-07-16T10:22:58.123Z")


def test_a_manager_also_reads_the_companys_id(api: ApiClients, acme_manager: Person) -> None:
    me = api(acme_manager).get("/api/auth/me").json()

    assert (me["role"], me["companyId"]) == ("manager", acme_manager.company.pk)


def test_expiry_is_a_day(acme_admin: Person) -> None:
    assert AccessToken.lifetime == timedelta(hours=24)
