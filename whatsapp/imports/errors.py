"""What can be wrong with a source, said without what is in its address: that holds a password."""

from wharf.errors import Kind, WharfError, sentence


class SourceAddressWrong(WharfError):
    code, kind = "import_source_wrong", Kind.INVALID
    text = sentence(
        "The source is no address of a PostgreSQL database; write postgresql://…, env:NAME or file:PATH, "
        "with special characters of the password percent-encoded"
    )


class SourceVariableMissing(WharfError):
    code, kind = "import_variable_missing", Kind.INVALID
    text = sentence("There is no variable of that name in this command's environment")


class SourceFileMissing(WharfError):
    code, kind = "import_file_missing", Kind.INVALID
    text = sentence("The file with the source's address cannot be read: %(problem)s")


class SourceUnreachable(WharfError):
    code, kind = "import_source_unreachable", Kind.UNAVAILABLE
    text = sentence("The source cannot be read: %(problem)s")


class SourceTablesWrong(WharfError):
    code, kind = "import_tables_wrong", Kind.INVALID
    text = sentence("The source is no database of that system: it lacks %(missing)s")
