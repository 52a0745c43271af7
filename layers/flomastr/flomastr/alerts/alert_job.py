"""The job: what changed is noted, and then delivered."""

from flomastr.alerts import delivery, evaluation
from flomastr.jobs import Job


def run(job: Job) -> None:
    """Each step may be killed; what it leaves is due in the next run."""
    evaluation.run(job)
    delivery.run(job)
