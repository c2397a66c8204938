"""Registering, proving an address, resetting a password (seed contract 1.3). The same answer for every address."""

from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.guests import GuestAPIView, client_of
from accounts.models import Purpose
from accounts.services import codes, passwords, registration
from wharf.errors import sentence

REGISTERED = sentence("The registration has been received")
CODE_SENT = sentence("The code has been sent by e-mail")
VERIFIED = sentence("The e-mail has been verified")
CODE_CONFIRMED = sentence("The code has been confirmed")
PASSWORD_CHANGED = sentence("The password has been changed")

Input = serializers.Serializer[Any]


class NewRegistration(Input):
    email = serializers.CharField(max_length=254)
    firstName = serializers.CharField(max_length=60)
    lastName = serializers.CharField(max_length=60, allow_blank=True, default="")
    companyName = serializers.CharField(max_length=200)
    password = serializers.CharField(max_length=256, trim_whitespace=False)


class CodeRequest(Input):
    email = serializers.CharField(max_length=254)
    mode = serializers.CharField(max_length=20, help_text="`register` or `reset`")


class Verification(CodeRequest):
    code = serializers.CharField(max_length=20, help_text="Six digits")


class NewPassword(Input):
    email = serializers.CharField(max_length=254)
    newPassword = serializers.CharField(max_length=256, trim_whitespace=False)
    resetToken = serializers.CharField(
        max_length=64,
        required=False,
        allow_blank=True,
        default="",
        help_text="From `verify-email`; without it the request must come from the same address and program.",
    )


class Said(Input):
    message = serializers.CharField()


class Registered(Said):
    email = serializers.CharField()
    company = serializers.CharField(help_text="The company's name.")


class Verified(Said):
    resetToken = serializers.CharField(required=False, help_text="With the mode `reset`: good for one new password.")


class RegisterView(GuestAPIView):
    @extend_schema(operation_id="register", tags=["auth"], auth=[], request=NewRegistration, responses=Registered)
    def post(self, request: Request) -> Response:
        """Ask for a company with oneself as its admin. Ask for a code next; the right code makes both."""
        asked = _valid(NewRegistration, request)
        made = registration.register(
            email=asked["email"],
            first_name=asked["firstName"],
            last_name=asked["lastName"],
            company_name=asked["companyName"],
            password=asked["password"],
            client=client_of(request),
        )
        return Response({"message": gettext(REGISTERED), "email": made.email, "company": made.company_name})


class SendCodeView(GuestAPIView):
    @extend_schema(operation_id="sendCode", tags=["auth"], auth=[], request=CodeRequest, responses=Said)
    def post(self, request: Request) -> Response:
        """Send a code to an address, to complete a registration or to reset a password."""
        asked = _valid(CodeRequest, request)
        registration.send_code(email=asked["email"], mode=asked["mode"], client=client_of(request))
        return Response({"message": gettext(CODE_SENT)})


class VerifyEmailView(GuestAPIView):
    @extend_schema(operation_id="verifyEmail", tags=["auth"], auth=[], request=Verification, responses=Verified)
    def post(self, request: Request) -> Response:
        """Say the code from the mail: a registration is completed, or a new password may be said once."""
        asked = _valid(Verification, request)
        code = registration.verify(
            email=asked["email"], mode=asked["mode"], guess=asked["code"], client=client_of(request)
        )
        if code.purpose == Purpose.REGISTER:
            return Response({"message": gettext(VERIFIED)})
        return Response({"message": gettext(CODE_CONFIRMED), "resetToken": codes.reset_token(code)})


class ResetPasswordView(GuestAPIView):
    @extend_schema(operation_id="resetPassword", tags=["auth"], auth=[], request=NewPassword, responses=Said)
    def post(self, request: Request) -> Response:
        """Choose a new password after `verify-email`, within a quarter of an hour, once."""
        asked = _valid(NewPassword, request)
        passwords.reset(
            email=asked["email"], new=asked["newPassword"], token=asked["resetToken"], client=client_of(request)
        )
        return Response({"message": gettext(PASSWORD_CHANGED)})


def _valid(shape: type[Input], request: Request) -> Any:
    asked = shape(data=request.data)
    asked.is_valid(raise_exception=True)
    return asked.validated_data
