"""Host names: the platform's own cost nothing, a company's name the company, all others are refused."""

from typing import Any

import pytest
from django.core.exceptions import DisallowedHost
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tenants.domains import checked_domain, save_domain
from tenants.errors import DomainTaken, DomainWrong
from tenants.hosts import company_of_host
from tenants.models import Company, Domain


@pytest.mark.parametrize("host", ["testserver", "127.0.0.1:3000", "localhost"])
def test_the_platforms_own_hosts_cost_no_query(
    db: None, host: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert company_of_host(host) is None


@pytest.mark.parametrize("host", ["chat.acme.test", "CHAT.acme.test:3000"])
def test_a_companys_host_names_the_company(acme: Company, host: str) -> None:
    save_domain(company=acme, name="chat.acme.test")

    assert company_of_host(host) == acme


@pytest.mark.parametrize("host", ["elsewhere.test", "acme.test", ""])
def test_other_hosts_are_refused(acme: Company, host: str) -> None:
    save_domain(company=acme, name="chat.acme.test")

    with pytest.raises(DisallowedHost):
        company_of_host(host)


def test_a_pattern_of_the_platform_does_not_hide_a_companys_host(acme: Company, settings: Any) -> None:
    settings.PLATFORM_HOSTS = [".wharf.test"]
    save_domain(company=acme, name="acme.wharf.test")

    assert company_of_host("acme.wharf.test") == acme
    assert company_of_host("www.wharf.test") is None


def test_an_unknown_host_gets_a_400(db: None, client: Client) -> None:
    assert client.get("/nowhere", headers={"host": "elsewhere.test"}).status_code == 400


def test_a_host_name_belongs_to_one_company(acme: Company, globex: Company) -> None:
    save_domain(company=acme, name="chat.test")

    with pytest.raises(DomainTaken):
        save_domain(company=globex, name="Chat.test")


def test_the_first_name_is_the_primary_one_until_another_is(acme: Company) -> None:
    first = save_domain(company=acme, name="one.test", is_primary=False)
    save_domain(company=acme, name="two.test", is_primary=True)

    assert first.is_primary
    assert list(Domain.objects.filter(is_primary=True).values_list("domain", flat=True)) == ["two.test"]


@pytest.mark.parametrize(
    "name", ["", "nodots", "a..test", "-a.test", "a.test:80", "a b.test", "localhost", "x" * 64 + ".test"]
)
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(DomainWrong):
        checked_domain(name)
