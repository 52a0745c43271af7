"""The error that ends a command of `python -m dev` with one sentence."""


class StartupError(Exception):
    """Its message is all that the developer sees: what happened and what to do."""
