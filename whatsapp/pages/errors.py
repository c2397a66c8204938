"""What only a page can get wrong."""

from wharf.errors import Kind, WharfError, sentence


class NoRightChosen(WharfError):
    code, kind = "no_right_chosen", Kind.INVALID
    text = sentence("Choose at least one right")
