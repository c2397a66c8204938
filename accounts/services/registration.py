"""A company and its first admin, by somebody whom nobody knows: wanted first, made once the address is proven.

Until then there is one row and a password's hash: strangers cannot fill the platform with schemas, nor take an address
that is not theirs. Whether the address has an account already is told to its owner alone, by mail.
"""

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts.errors import WrongCode, WrongCodeMode, WrongVerificationMode
from accounts.models import EmailCode, Membership, Purpose, Registration, Role, User, normalise_email
from accounts.permissions import Actor
from accounts.services import codes
from accounts.services.codes import Client
from accounts.services.people import checked_email, checked_password
from accounts.tasks import mail_code
from accounts.throttle import REGISTRATIONS_PER_ADDRESS, count_request
from audit.recording import company as the_company
from audit.recording import record_in
from audit.verbs import Verb
from tenants.provisioning import checked_name, create_company


def register(
    *, email: str, first_name: str, last_name: str, company_name: str, password: str, client: Client
) -> Registration:
    """Write down what is wanted. Nothing is sent yet: `send_code` does that, as in the older system.

    Raises EmailWrong, CompanyNameWrong, PasswordShort, PasswordWeak, TooManyRequests.
    """
    count_request(REGISTRATIONS_PER_ADDRESS, client.address)
    email, company_name = checked_email(email), checked_name(company_name)
    somebody = User(email=email, first_name=first_name, last_name=last_name)
    return Registration.objects.create(
        email=email,
        first_name=first_name,
        last_name=last_name,
        company_name=company_name,
        password=make_password(checked_password(password, somebody)),
        client=client.digest,
    )


@transaction.atomic
def send_code(*, email: str, mode: str, client: Client) -> None:
    """The same for every address. Raises WrongCodeMode, EmailWrong, TooManyRequests."""
    if mode not in Purpose.values:
        raise WrongCodeMode
    code = codes.ask(email=checked_email(email), purpose=Purpose(mode), client=client)
    mail_code.defer(code_id=code.pk)


def verify(*, email: str, mode: str, guess: str, client: Client) -> EmailCode:
    """Take a code; a registration's makes the company and its admin. Raises WrongVerificationMode, WrongCode."""
    if mode not in Purpose.values:
        raise WrongVerificationMode
    code = _verified(normalise_email(email), Purpose(mode), guess, client)
    if code is None:
        raise WrongCode
    return code


@transaction.atomic
def _verified(email: str, purpose: Purpose, guess: str, client: Client) -> EmailCode | None:
    """None instead of an error, so that a wrong guess is counted; all or nothing for a right one."""
    code = codes.prove(email=email, purpose=purpose, guess=guess, client=client)
    if code is not None and purpose == Purpose.REGISTER and not _complete(code):
        return None
    return code


def _complete(code: EmailCode) -> bool:
    """False when there is nothing to make: no registration, or somebody else made an account for the address."""
    wanted = code.registration
    if wanted is None or User.objects.filter(email=wanted.email).exists():
        return False
    # The company first: references from its tables to people lock both for the moment of their making.
    company = create_company(name=wanted.company_name)
    admin = User(email=wanted.email, first_name=wanted.first_name, last_name=wanted.last_name)
    admin.password = wanted.password
    try:
        with transaction.atomic():
            admin.save(force_insert=True)
    except IntegrityError as error:
        raise WrongCode from error
    Membership.objects.create(user=admin, company=company, role=Role.ADMIN)
    founder = Actor(user_id=admin.pk, name=admin.full_name, company_id=company.pk, role=Role.ADMIN)
    record_in(company, Verb.COMPANY_CREATED, the_company(company), by=founder)
    codes.use_up(wanted.email, Purpose.REGISTER)
    EmailCode.objects.filter(email=wanted.email, purpose=Purpose.REGISTER).update(registration=None)
    Registration.objects.filter(email=wanted.email).delete()
    return True
