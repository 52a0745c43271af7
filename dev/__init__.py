"""The local platform: what `make run` starts."""
