"""Texts of the admin's look (django-unfold), which comes in English alone: named here, so that they get translated.

Django's own texts come with Django. A test compares this list with what unfold has.
"""

from typing import Final

from wharf.errors import sentence

TEXTS: Final = (
    sentence("All applications"), sentence("Apply Filters"), sentence("Choose file to upload"),
    sentence("Click to cancel"), sentence("Click to download"), sentence("Dark"), sentence("Date"),
    sentence("Expand row"), sentence("False"), sentence("General"), sentence("Go back"), sentence("Image preview"),
    sentence("Light"), sentence("More actions"), sentence("Next"),
    sentence("No data"), sentence("No recent searches"), sentence("No results found"),
    sentence("Previous"), sentence("Recent searches"),
    sentence("Record picture"), sentence("Reset filters"), sentence("Return to site"), sentence("Run"),
    sentence("Search apps and models..."), sentence("Select action"), sentence("Select action to run"),
    sentence("Select all rows"), sentence("Select record"), sentence("Select value"), sentence("Submit"),
    sentence("System"), sentence("This item will be deleted."),
    sentence("This page yielded into no results. Create a new item or reset your filters."),
    sentence("Toggle password visibility"), sentence("True"), sentence("Type to search"),
    sentence("You have been successfully logged out from the administration"),
)  # fmt: skip
