"""Sends messages for uploads that somebody has to look at, and ends those whose file did not come."""

from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.jobs import Job
from flomastr.uploads import messages
from flomastr.uploads.messages import Look

BATCH = 200


class UploadExpiredError(UnprocessableError):
    """No file came before the link expired."""

    code = ErrorCode.UPLOAD_EXPIRED


def run(job: Job) -> None:
    """They count as looked at before they are: if the run dies, or SQS does not answer, they are due again."""
    expired = UploadExpiredError()
    due = job.conn.execute("SELECT * FROM app.due_uploads(%s, %s, %s)", (BATCH, expired.code, expired.detail))
    job.counts["uploads_sent"] += messages.send(Look.at(tenant, upload) for tenant, upload in due)
