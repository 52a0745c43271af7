"""The job: what is due is delivered, what changed is noted, and then delivered."""

from flomastr.alerts import delivery, evaluation
from flomastr.jobs import Job


def run(job: Job) -> None:
    """Each step may be killed; what it leaves is due in the next run. What comparing takes, no delivery waits for."""
    delivery.run(job)
    as_of = evaluation.run(job)
    delivery.run(job)
    if as_of:
        evaluation.run_slow(job, as_of)
