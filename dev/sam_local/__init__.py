"""The collection in containers, as `sam local` runs them: the same functions, services and schedules as `make run`."""
