"""The peer: what one writes without this platform. FastAPI, Mangum, SQLAlchemy, and one indexed table."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException, Request
from mangum import Mangum
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import (
    ColumnElement,
    Computed,
    Engine,
    ForeignKey,
    Index,
    UniqueConstraint,
    create_engine,
    exists,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, TSVECTOR, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

PATH = "/routes/workflow-executions"
SEARCH_PATH = "/routes/knowledge/{slug}/search"
type Status = Literal["new", "running", "waiting", "unknown", "crashed", "canceled", "error", "success"]


class Base(DeclarativeBase):
    type_annotation_map = {datetime: TIMESTAMP(timezone=True), dict[str, Any]: JSONB}  # noqa: RUF012


class Member(Base):
    __tablename__ = "peer_members"
    user_id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)


class Workflow(Base):
    __tablename__ = "peer_workflows"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    n8n_workflow_id: Mapped[str]


class Execution(Base):
    __tablename__ = "peer_executions"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tenant_id: Mapped[UUID]
    workflow_id: Mapped[UUID] = mapped_column(ForeignKey(Workflow.id))
    n8n_execution_id: Mapped[str | None]
    status: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    execution_data: Mapped[dict[str, Any] | None]
    error_message: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        UniqueConstraint("tenant_id", "n8n_execution_id", name="peer_once"),
        Index("peer_newest", "tenant_id", "started_at", "id"),
    )


class Passage(Base):
    __tablename__ = "peer_passages"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tenant_id: Mapped[UUID]
    document_name: Mapped[str]
    chunk_index: Mapped[int]
    chunk_text: Mapped[str]
    words: Mapped[str] = mapped_column(TSVECTOR, Computed("to_tsvector('english', chunk_text)", persisted=True))
    __table_args__ = (Index("peer_words", "words", postgresql_using="gin"), Index("peer_passages_of", "tenant_id"))


class Listed(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    workflow_id: UUID
    tenant_id: UUID
    n8n_execution_id: str | None
    status: Status
    started_at: datetime
    finished_at: datetime | None
    error_message: str | None
    created_at: datetime


class Whole(Listed):
    execution_data: dict[str, Any] | None


class New(BaseModel):
    n8n_workflow_id: str
    n8n_execution_id: str
    status: Status
    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    execution_data: dict[str, Any] | None = None
    error_message: str | None = None


class Batch(BaseModel):
    executions: list[New]


class Question(BaseModel):
    query: str
    mode: Literal["text"]
    k: int = 10


class Found(BaseModel):
    document_name: str
    chunk_index: int
    chunk_text: str
    score: float


class Group(BaseModel):
    status: str
    count: int
    mean_seconds: float | None


@cache
def engine() -> Engine:
    return engine_of(os.environ["DATABASE_URL"])


def engine_of(url: str) -> Engine:
    driver = url.replace("postgresql://", "postgresql+psycopg://")
    return create_engine(driver, pool_size=1, connect_args={"prepare_threshold": None})


def session() -> Iterator[Session]:
    with Session(engine()) as opened:
        yield opened


def caller(request: Request) -> str:
    return request.scope["aws.event"]["requestContext"]["authorizer"]["lambda"]["user_id"]


Db = Annotated[Session, Depends(session)]
Caller = Annotated[str, Depends(caller)]
app = FastAPI()


def is_member(user: str) -> ColumnElement[bool]:
    return exists().where(Member.user_id == user, Member.tenant_id == Execution.tenant_id)


@app.get(PATH, response_model=list[Listed])
def list_executions(db: Db, user: Caller, limit: int = 50) -> Any:
    tenant = select(Member.tenant_id).where(Member.user_id == user).scalar_subquery()
    newest = select(Execution).where(Execution.tenant_id == tenant)
    return db.scalars(newest.order_by(Execution.started_at.desc(), Execution.id.desc()).limit(limit)).all()


@app.get(f"{PATH}/stats/summary", response_model=list[Group])
def summarize(db: Db, user: Caller, days: int = 90) -> Any:
    tenant = select(Member.tenant_id).where(Member.user_id == user).scalar_subquery()
    seconds = func.avg(func.extract("epoch", Execution.finished_at - Execution.started_at))
    groups = select(Execution.status, func.count().label("count"), seconds.label("mean_seconds"))
    since = Execution.started_at > datetime.now(UTC) - timedelta(days=days)
    return db.execute(groups.where(Execution.tenant_id == tenant, since).group_by(Execution.status)).mappings().all()


@app.get(f"{PATH}/{{execution_id}}", response_model=Whole)
def get_execution(execution_id: UUID, db: Db, user: Caller) -> Any:
    found = db.scalar(select(Execution).where(Execution.id == execution_id, is_member(user)))
    if found is None:
        raise HTTPException(404)
    return found


@app.post(PATH, status_code=201, response_model=Whole)
def record(new: New, db: Db, user: Caller) -> Any:
    recorded = db.scalars(upsert([new], db, user).returning(Execution)).one()
    db.commit()
    db.refresh(recorded)
    return recorded


@app.post(f"{PATH}/batch")
def record_batch(batch: Batch, db: Db, user: Caller) -> dict[str, list[dict[str, Any]]]:
    rows = db.execute(upsert(batch.executions, db, user).returning(Execution.id, Execution.n8n_execution_id)).all()
    db.commit()
    return {"results": [{"id": row.id, "n8n_execution_id": row.n8n_execution_id} for row in rows]}


@app.post(SEARCH_PATH)
def search(question: Question, db: Db, user: Caller) -> dict[str, list[Found]]:
    tenant = select(Member.tenant_id).where(Member.user_id == user).scalar_subquery()
    words = func.websearch_to_tsquery("english", question.query)
    score = func.ts_rank_cd(Passage.words, words).label("score")
    matching = select(Passage.document_name, Passage.chunk_index, Passage.chunk_text, score)
    matching = matching.where(Passage.tenant_id == tenant, Passage.words.bool_op("@@")(words))
    found = db.execute(matching.order_by(score.desc()).limit(question.k)).mappings()
    return {"results": [Found.model_validate(row) for row in found]}


def upsert(deliveries: list[New], db: Session, user: str) -> Any:
    """One statement. It looks the workflows up first, and with them whether the caller is a member."""
    names = {new.n8n_workflow_id for new in deliveries}
    of_caller = select(Workflow).join(Member, Member.tenant_id == Workflow.tenant_id).where(Member.user_id == user)
    workflows = {w.n8n_workflow_id: w for w in db.scalars(of_caller.where(Workflow.n8n_workflow_id.in_(names)))}
    if workflows.keys() != names:
        raise HTTPException(404)
    rows = [row(new, workflows[new.n8n_workflow_id]) for new in deliveries]
    sent = insert(Execution).values(rows)
    changed = {name: sent.excluded[name] for name in ("status", "finished_at", "execution_data", "error_message")}
    return sent.on_conflict_do_update(constraint="peer_once", set_=changed)


def row(new: New, workflow: Workflow) -> dict[str, Any]:
    values = new.model_dump(exclude={"n8n_workflow_id"})
    return {"id": uuid4(), "tenant_id": workflow.tenant_id, "workflow_id": workflow.id} | values


lambda_handler = Mangum(app, lifespan="off")
