"""What can go wrong with the stack, each said in one line to the person at the terminal."""


class StackError(Exception):
    """A sentence for a person; the runner prints it and ends with exit code 1."""


class AlreadyRunning(StackError):
    """Another process holds this folder."""


class ServerFailed(StackError):
    """An embedded server did not come up; the message ends with what it wrote last."""
