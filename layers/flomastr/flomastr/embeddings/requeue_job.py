"""Sends messages for tasks that are due: rescheduled, new for another model, of a run that died, or never sent."""

from datetime import timedelta

from flomastr.embeddings import queue
from flomastr.embeddings.queue import Task
from flomastr.jobs import Job

BATCH = 200
QUEUED_FOR = timedelta(minutes=15)  # how long a message may wait before another is sent


def run(job: Job) -> None:
    """Tasks count as sent before they are: if the run dies between, they are due again after QUEUED_FOR."""
    tasks = due(job)
    while tasks and job.has_time():
        unsent = queue.send(tasks)
        job.counts["messages_sent"] += len(tasks) - len(unsent)
        if unsent:
            mark_unsent(job, unsent)
            return
        tasks = due(job)
    mark_unsent(job, tasks)


def due(job: Job) -> list[Task]:
    rows = job.conn.execute("SELECT d.* FROM app.due_embeddings(%s, %s) AS d", (BATCH, QUEUED_FOR)).fetchall()
    return [Task(tenant_id=tenant, document_id=document, embedding_model=model) for tenant, document, model in rows]


def mark_unsent(job: Job, tasks: list[Task]) -> None:
    columns = [[getattr(task, name) for task in tasks] for name in Task.model_fields]
    job.conn.execute("SELECT app.not_sent(%s::uuid[], %s::uuid[], %s::text[])", columns)
