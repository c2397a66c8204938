"""What only a page can get wrong."""

from wharf.errors import Kind, WharfError, sentence


class NoRightChosen(WharfError):
    code, kind = "no_right_chosen", Kind.INVALID
    text = sentence("Choose at least one right")


class BadStretch(WharfError):
    code, kind = "bad_stretch", Kind.INVALID
    text = sentence("Give a time to begin with and a later one to end with")


class BadPace(WharfError):
    code, kind = "bad_pace", Kind.INVALID
    text = sentence("Give seconds from 0 to 3600, and whole numbers from 1 on, or nothing")
