"""What stops the platform, told in one sentence."""


class StartupError(Exception):
    """Its message is all that the developer sees: what happened and what to do."""
