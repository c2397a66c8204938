"""Who may make and change people, and what a role and a grant allow."""

from functools import partial

import pytest

from accounts.errors import AlreadyMember, EmailTaken, LastAdmin, ManagerLimitReached, PasswordWeak
from accounts.models import Membership, Role, User
from accounts.permissions import SYSTEM, Actor, Permission, Rights, permitted, require
from accounts.services.people import (
    change_person,
    change_role,
    create_member,
    create_operator,
    remove_member,
    set_password,
)
from tenants.models import Company
from tests.people import Person, make_person
from wharf.errors import NotFound, PermissionDenied


def test_an_admin_makes_people_in_their_own_company(acme_admin: Person) -> None:
    made = create_member(
        company=acme_admin.company, email="New@acme.test", role=Role.MANAGER, by=acme_admin.actor, first_name="Nina"
    )

    assert (made.membership.user.email, made.membership.user.first_name) == ("new@acme.test", "Nina")
    assert made.membership.created_by == acme_admin.user
    assert made.is_new_person
    assert made.password is not None
    assert made.membership.user.check_password(made.password)


def test_another_companys_admin_does_not_learn_that_it_exists(acme: Company, globex_admin: Person) -> None:
    with pytest.raises(NotFound):
        create_member(company=acme, email="new@acme.test", role=Role.ADMIN, by=globex_admin.actor)

    assert not User.objects.filter(email="new@acme.test").exists()


def test_a_manager_makes_nobody(acme_manager: Person) -> None:
    with pytest.raises(PermissionDenied):
        create_member(company=acme_manager.company, email="new@acme.test", role=Role.ADMIN, by=acme_manager.actor)


def test_one_person_has_one_role_in_a_company(acme_admin: Person, acme_manager: Person) -> None:
    with pytest.raises(AlreadyMember):
        create_member(company=acme_admin.company, email=acme_manager.user.email, role=Role.ADMIN, by=acme_admin.actor)

    assert Membership.objects.get(user=acme_manager.user).role == Role.MANAGER


def test_a_company_cannot_change_how_a_person_logs_in_elsewhere(acme_admin: Person, globex_manager: Person) -> None:
    made = create_member(
        company=acme_admin.company,
        email=globex_manager.user.email,
        role=Role.MANAGER,
        by=acme_admin.actor,
        first_name="Other",
        password="a new one, a long one",
    )

    user = User.objects.get(pk=globex_manager.user.pk)
    assert (made.is_new_person, made.password) == (False, None)
    assert user.check_password(globex_manager.password)
    assert user.first_name == globex_manager.user.first_name


def test_roles_are_changed_and_people_removed_by_their_own_admin_only(
    acme_admin: Person, acme_manager: Person, globex_admin: Person
) -> None:
    membership = Membership.objects.get(user=acme_manager.user)
    for stranger, refusal in ((globex_admin, NotFound), (acme_manager, PermissionDenied)):
        with pytest.raises(refusal):
            change_role(membership=membership, role=Role.ADMIN, by=stranger.actor)
        with pytest.raises(refusal):
            remove_member(membership=membership, by=stranger.actor)

    change_role(membership=membership, role=Role.ADMIN, by=acme_admin.actor)
    assert Membership.objects.get(pk=membership.pk).role == Role.ADMIN
    remove_member(membership=membership, by=acme_admin.actor)
    assert User.objects.filter(pk=acme_manager.user.pk).exists()
    assert not Membership.objects.filter(user=acme_manager.user).exists()


def test_only_operators_make_operators(acme_admin: Person, operator: Person) -> None:
    with pytest.raises(NotFound):
        create_operator(email="new@wharf.test", by=acme_admin.actor)
    with pytest.raises(EmailTaken):
        create_operator(email=operator.user.email, by=operator.actor)

    assert create_operator(email="new@wharf.test", by=operator.actor).user.is_superuser


def test_a_person_changes_only_themselves_and_never_whether_they_are_active(
    acme_admin: Person, acme_manager: Person
) -> None:
    change_person(user=acme_manager.user, by=acme_manager.actor, first_name="Mia")
    assert User.objects.get(pk=acme_manager.user.pk).first_name == "Mia"

    with pytest.raises(NotFound):
        change_person(user=acme_manager.user, by=acme_admin.actor, first_name="Max")
    with pytest.raises(NotFound):
        change_person(user=acme_manager.user, by=acme_manager.actor, is_active=True)
    with pytest.raises(NotFound):
        set_password(user=acme_manager.user, password="harbour lights", by=acme_admin.actor)


@pytest.mark.parametrize("password", ["manager@acme.test", "Manager1", "qwertyui", "12", "x7!qp"])
def test_a_weak_password_is_refused_with_what_is_wrong(acme_manager: Person, password: str) -> None:
    with pytest.raises(PasswordWeak) as refusal:
        set_password(user=acme_manager.user, password=password, by=acme_manager.actor)

    assert refusal.value.params["problems"]
    assert User.objects.get(pk=acme_manager.user.pk).check_password(acme_manager.password)


def actor(role: str = "", *, is_operator: bool = False) -> Actor:
    return Actor(user_id="u", name="U", company_id="c", role=role, is_operator=is_operator)


@pytest.mark.parametrize("who", [actor(Role.ADMIN), actor(is_operator=True), SYSTEM])
def test_admins_operators_and_the_system_need_no_grant(who: Actor) -> None:
    assert permitted(who) == frozenset(Permission)


@pytest.mark.parametrize("who", [actor(Role.MANAGER), actor(""), actor("unknown")])
def test_everybody_else_has_what_was_granted_and_nothing_more(who: Actor) -> None:
    assert permitted(who) == permitted(who, Rights()) == frozenset()
    assert permitted(who, Rights(can_read=True)) == {Permission.SESSION_VIEW, Permission.CHAT_READ}
    with pytest.raises(PermissionDenied):
        require(who, Permission.CHAT_WRITE, Rights(can_read=True, can_manage_chats=True))


def test_nobody_gets_rights_over_people_by_a_grant() -> None:
    everything = Rights(can_read=True, can_write=True, can_manage_chats=True)

    assert not permitted(actor(Role.MANAGER), everything) & {
        Permission.ACCESS_GRANT,
        Permission.COMPANY_MANAGE,
        Permission.PEOPLE_MANAGE,
        Permission.SESSION_CREATE,
    }


def test_a_company_keeps_an_administrator_and_its_plan(acme: Company, acme_admin: Person) -> None:
    first, second = acme_admin, make_person(acme, Role.ADMIN)
    assert first.membership is not None
    assert second.membership is not None
    change_role(membership=second.membership, role=Role.MANAGER, by=first.actor)

    for deed in (remove_member, partial(change_role, role=Role.MANAGER)):
        with pytest.raises(LastAdmin):
            deed(membership=first.membership, by=first.actor)
    change_role(membership=second.membership, role=Role.ADMIN, by=first.actor)
    Company.objects.filter(pk=acme.pk).update(max_managers=0)
    with pytest.raises(ManagerLimitReached):
        change_role(membership=second.membership, role=Role.MANAGER, by=first.actor)
    assert Membership.objects.get(pk=first.membership.pk).role == Role.ADMIN
