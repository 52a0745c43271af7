"""A tenant to create holds in, and all that can be deleted of it."""

import re
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tests.support.events import Answer, call
from tests.support.factories import Factory
from tests.support.problems import refused

HANDLERS = {
    "workflows": "workflows",
    "workflow-executions": "executions",
    "webchat": "webchat",
    "user-preferences": "preferences",
    "tenants": "members",
}


@dataclass
class Held:
    """A tenant with two workflows, each with two executions and a chat."""

    make: Factory

    def __post_init__(self) -> None:
        make, self.tenant = self.make, self.make.tenant()
        self.workflow, self.other_workflow = make.workflow(self.tenant), make.workflow(self.tenant)
        self.execution, self.second = (make.execution(self.tenant, self.workflow) for _ in range(2))
        self.other_execution = make.execution(self.tenant, self.other_workflow)
        self.session = make.session(self.tenant, self.workflow)
        self.other_session = make.session(self.tenant, self.other_workflow)
        make.preferences(self.tenant, self.tenant.owner, colour="red", size=3)

    def ask(self, method: str, path: str, **request: Any) -> Answer:
        handler = import_module(f"functions.{HANDLERS[re.split('[/?]', path)[0]]}.handler").lambda_handler
        return call(handler, method, f"/routes/{path}", caller=self.tenant.owner, **request)

    def deletions(self) -> dict[str, str]:
        """Of each thing, so that nothing goes with something else."""
        return {
            "setting": f"user-preferences/setting?user_id={self.tenant.owner.user_id}&key=colour",
            "preferences": f"user-preferences/{self.tenant.owner.user_id}",
            "execution": f"workflow-executions/{self.execution}",
            "second": f"workflow-executions/{self.second}",
            "other_execution": f"workflow-executions/{self.other_execution}",
            "session": f"webchat/sessions/{self.session}",
            "other_session": f"webchat/sessions/{self.other_session}",
            "workflow": f"workflows/{self.workflow}",
            "other_workflow": f"workflows/{self.other_workflow}",
        }

    def delete(self, path: str) -> Answer:
        query = {"tenant_id": self.tenant.slug} if path.startswith("user-preferences") else {}
        return self.ask("DELETE", path, query=query)

    def kept(self) -> set[str]:
        """What a legal hold has kept, of all that was to be deleted."""
        kept = set[str]()
        for name, path in self.deletions().items():
            answer = self.delete(path)
            if answer.status != 200:
                refused(answer, 409)
                assert answer.json["code"] == "legal_hold"
                kept.add(name)
        return kept
