"""Sends messages for what is due to be embedded: put off, wanted by a new model, left by a run that died, or lost."""

from datetime import timedelta

from flomastr.embeddings import queue
from flomastr.embeddings.queue import Task
from flomastr.jobs import Job

BATCH = 200
ON_ITS_WAY = timedelta(minutes=15)  # how long a message may wait in the queue before another is sent


def run(job: Job) -> None:
    """They count as sent before they are: a run that dies between leaves them to be sent when they must be lost."""
    tasks = due(job)
    while tasks and job.has_time():
        unsent = queue.send(tasks)
        job.counts["messages_sent"] += len(tasks) - len(unsent)
        if unsent:
            give_back(job, unsent)
            return
        tasks = due(job)
    give_back(job, tasks)


def due(job: Job) -> list[Task]:
    rows = job.conn.execute("SELECT d.* FROM app.due_embeddings(%s, %s) AS d", (BATCH, ON_ITS_WAY)).fetchall()
    return [Task(tenant_id=tenant, document_id=document, embedding_model=model) for tenant, document, model in rows]


def give_back(job: Job, tasks: list[Task]) -> None:
    columns = [[getattr(task, name) for task in tasks] for name in Task.model_fields]
    job.conn.execute("SELECT app.not_sent(%s::uuid[], %s::uuid[], %s::text[])", columns)
