"""The form of a webhook endpoint: what it holds, and what it says to the service."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from wharf.egress import LONGEST_URL
from wharf.errors import Invalid
from whatsapp.catalogue import KINDS
from whatsapp.models import WebhookEndpoint
from whatsapp.services import batches
from whatsapp.services.webhooks import Words

ALL, SOME = "all", "some"
_WHICH: Final = ((ALL, ALL), (SOME, SOME))


class EndpointForm(forms.Form):
    """`which_…` says whether all are meant, those too that there are not yet, or the named ones."""

    url = forms.CharField(label=_("Address"), max_length=LONGEST_URL)
    description = forms.CharField(label=_("Name"), max_length=200, required=False)
    which_kinds = forms.ChoiceField(label=_("Events"), choices=_WHICH)
    kinds = forms.MultipleChoiceField(label=_("Events"), choices=[(name, name) for name in KINDS], required=False)
    which_numbers = forms.ChoiceField(label=_("Numbers"), choices=_WHICH)
    session_ids = forms.MultipleChoiceField(label=_("Numbers"), required=False)
    headers = forms.CharField(label=_("Headers"), max_length=40_000, required=False, strip=False)
    drops_headers = forms.BooleanField(required=False)
    batch_quiet_seconds = forms.IntegerField(
        label=_("Seconds of quiet"), min_value=0, max_value=batches.MOST_QUIET_SECONDS
    )
    batch_max_messages = forms.IntegerField(label=_("Messages together"), min_value=2, max_value=batches.MOST_MESSAGES)

    def __init__(self, data: MultiValueDict[str, str] | Mapping[str, Any], numbers: Iterable[str]) -> None:
        super().__init__(data)
        self.fields["session_ids"].choices = [(pk, pk) for pk in numbers]  # type: ignore[attr-defined]

    def words(self) -> Words:
        """Raises Invalid, with the name that the page gives the field."""
        if not self.is_valid():
            raise self._problem()
        said = self.cleaned_data
        words: Words = {
            "url": said["url"],
            "description": said["description"],
            "kinds": self._chosen("which_kinds", "kinds"),
            "session_ids": self._chosen("which_numbers", "session_ids"),
            "batch_quiet_seconds": said["batch_quiet_seconds"],
            "batch_max_messages": said["batch_max_messages"],
        }
        headers = headers_in(said["headers"])
        return words | {"headers": headers} if headers or said["drops_headers"] else words

    def _problem(self) -> Invalid:
        name, problems = next(iter(self.errors.items()))
        return _wrong(str(self.fields[name].label or name), str(problems[0]))

    def _chosen(self, which: str, names: str) -> list[str]:
        """Empty means all to the service, so that nobody gets all by choosing none."""
        if self.cleaned_data[which] == ALL:
            return []
        chosen: list[str] = self.cleaned_data[names]
        if not chosen:
            raise _wrong(str(self.fields[names].label), gettext("Choose at least one, or all."))
        return chosen


def _wrong(label: str, problem: str) -> Invalid:
    """Pages say the problem alone, and a form of many fields has to say whose it is."""
    return Invalid(field=label, problem=f"{label}: {problem}")


def headers_in(text: str) -> dict[str, str]:
    """A header a line, as in a request. Raises Invalid."""
    lines = [line for line in text.splitlines() if line.strip()]
    pairs = [line.partition(":") for line in lines]
    if not all(colon for _, colon, _ in pairs):
        raise _wrong(gettext("Headers"), gettext("Write each one as “Name: value” on its own line."))
    return {name.strip(): value.strip() for name, _, value in pairs}


def as_form(row: WebhookEndpoint | None) -> dict[str, Any]:
    """What the form shows at first."""
    if row is None:
        row = WebhookEndpoint()
    return {
        "url": row.url,
        "description": row.description,
        "which_kinds": SOME if row.kinds else ALL,
        "kinds": row.kinds,
        "which_numbers": SOME if row.session_ids else ALL,
        "session_ids": row.session_ids,
        "headers": "",
        "batch_quiet_seconds": row.batch_quiet_seconds,
        "batch_max_messages": row.batch_max_messages,
    }


#: What the service calls a field, and the page.
_FIELDS: Final = {"url": _("Address"), "headers": _("Headers"), "types": _("Events")}


def in_page_words(error: Invalid) -> Invalid:
    """The service's complaint with the name that the page gives the field."""
    name = str(error.params["field"])
    return _wrong(str(_FIELDS.get(name, name)), gettext(str(error.params["problem"])))
