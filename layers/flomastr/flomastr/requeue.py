"""Sends messages for what is due to be embedded: put off, wanted by a new model, left by a run that died, or lost."""

from datetime import timedelta

from flomastr import embed_queue
from flomastr.embed_queue import Task
from flomastr.jobs import Job

BATCH = 1000
ON_ITS_WAY = timedelta(minutes=15)  # how long a message may wait in the queue before another is sent


def run(job: Job) -> None:
    due = BATCH
    while due == BATCH and job.has_time():
        with job.conn.transaction():  # a kill before its end sends a message twice, which does no harm
            rows = job.conn.execute(
                "SELECT tenant_id, document_id, embedding_model FROM app.due_embeddings(%s, %s)", (BATCH, ON_ITS_WAY)
            ).fetchall()
            tasks = [
                Task(tenant_id=tenant, document_id=document, embedding_model=model) for tenant, document, model in rows
            ]
            job.counts["messages_sent"] += embed_queue.send(tasks)
        due = len(rows)
