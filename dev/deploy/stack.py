"""One CloudFormation stack: changed by a change set, or left as it was."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from dev.console import console, paste
from dev.errors import StartupError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

CAPABILITIES: Any = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]  # the second for SAM's transform
UNCHANGED = ("didn't contain changes", "No updates are to be performed")
EVERY, MOST = 5, 720  # an hour


@dataclass(frozen=True)
class Stack:
    client: "CloudFormationClient"
    name: str

    def found(self) -> "StackTypeDef | None":
        try:
            (stack,) = self.client.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return None if stack["StackStatus"] == "REVIEW_IN_PROGRESS" else stack

    def outputs(self) -> dict[str, str]:
        stack = self.found()
        rows = stack.get("Outputs", []) if stack else []
        return {row.get("OutputKey", ""): row.get("OutputValue", "") for row in rows}

    def change(self, template_url: str, parameters: dict[str, str], confirm: bool = False) -> None:
        """Creates or updates it. Raises StartupError with what CloudFormation says; it has rolled back by then."""
        new = self.found() is None
        change_set = self._plan(template_url, parameters, new)
        if change_set is None:
            paste(f"  {self.name}: nothing changes")
            return
        if confirm and console.input(f"  Change {self.name}? Write yes: ").strip() != "yes":
            raise StartupError("Nothing was changed.")
        began = time.time()
        self.client.execute_change_set(ChangeSetName=change_set)
        self._await_end(new, began)

    def _plan(self, template_url: str, parameters: dict[str, str], new: bool) -> str | None:
        made = self.client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{time.time_ns()}",
            ChangeSetType="CREATE" if new else "UPDATE",
            TemplateURL=template_url,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=CAPABILITIES,
        )
        try:
            self.client.get_waiter("change_set_create_complete").wait(
                ChangeSetName=made["Id"], WaiterConfig={"Delay": EVERY, "MaxAttempts": MOST}
            )
        except WaiterError as error:
            reason = self.client.describe_change_set(ChangeSetName=made["Id"]).get("StatusReason", str(error))
            if any(words in reason for words in UNCHANGED):
                return None
            raise StartupError(f"CloudFormation cannot change {self.name}: {reason}") from error
        self._show(made["Id"])
        return made["Id"]

    def _show(self, change_set: str) -> None:
        counts: dict[str, int] = {}
        for page in self.client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set):
            for change in page["Changes"]:
                action = str(change.get("ResourceChange", {}).get("Action", "?")).lower()
                counts[action] = counts.get(action, 0) + 1
        paste(f"  {self.name}: " + ", ".join(f"{action} {count}" for action, count in sorted(counts.items())))

    def _await_end(self, new: bool, began: float) -> None:
        waiter = self.client.get_waiter("stack_create_complete" if new else "stack_update_complete")
        try:
            waiter.wait(StackName=self.name, WaiterConfig={"Delay": EVERY, "MaxAttempts": MOST})
        except WaiterError as error:
            ended = "was not created" if new else "is as it was before"
            raise StartupError("\n  ".join([f"{self.name} {ended}:", *self._failures(began)])) from error

    def _failures(self, began: float) -> list[str]:
        """The first reasons; what CloudFormation cancels because of them is no reason."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=self.name)
        events = [event for page in pages for event in page["StackEvents"] if event["Timestamp"].timestamp() >= began]
        failed = [event for event in reversed(events) if event.get("ResourceStatus", "").endswith("_FAILED")]
        reasons = [f"{each.get('LogicalResourceId')}: {each.get('ResourceStatusReason')}" for each in failed]
        return [reason for reason in reasons if "cancelled" not in reason][:5] or ["CloudFormation gives no reason"]
