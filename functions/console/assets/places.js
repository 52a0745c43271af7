/* Where one can go. `least` is the role that a place needs; one without it is reached from another. */

import { Alert } from "./views/alert.js";
import { Alerts } from "./views/alerts.js";
import { Execution } from "./views/execution.js";
import { Executions } from "./views/executions.js";
import { Failures } from "./views/failures.js";
import { Health } from "./views/health.js";
import { Jobs } from "./views/jobs.js";
import { Keys } from "./views/keys.js";
import { Base } from "./views/base.js";
import { Instance } from "./views/instance.js";
import { Instances } from "./views/instances.js";
import { Knowledge } from "./views/knowledge.js";
import { Members } from "./views/members.js";
import { Overview } from "./views/overview.js";
import { Recovery } from "./views/recovery.js";
import { Sizes } from "./views/sizes.js";
import { Storage } from "./views/storage.js";
import { TenantRecovery } from "./views/tenant_recovery.js";
import { Tenants } from "./views/tenants.js";
import { Usage } from "./views/usage.js";
import { Workflow } from "./views/workflow.js";
import { Workflows } from "./views/workflows.js";

export const TENANT = [
  { name: "overview", title: "Overview", view: Overview, least: "member" },
  { name: "workflows", title: "Workflows", view: Workflows, least: "member", parts: ["workflow"] },
  { name: "executions", title: "Executions", view: Executions, least: "member", parts: ["execution"] },
  { name: "failures", title: "Failures", view: Failures, least: "member" },
  { name: "alerts", title: "Alerts", view: Alerts, least: "member", parts: ["alert"] },
  { name: "instances", title: "n8n instances", view: Instances, least: "member", parts: ["instance"] },
  { name: "knowledge", title: "Knowledge", view: Knowledge, least: "member", parts: ["base"] },
  { name: "storage", title: "Storage", view: Storage, least: "admin" },
  { name: "recovery", title: "Recovery", view: TenantRecovery, least: "admin" },
  { name: "usage", title: "Usage", view: Usage, least: "member" },
  { name: "keys", title: "API keys", view: Keys, least: "admin" },
  { name: "members", title: "Members", view: Members, least: "member" },
  { name: "workflow", title: "Workflow", view: Workflow },
  { name: "execution", title: "Execution", view: Execution },
  { name: "alert", title: "Alert", view: Alert },
  { name: "instance", title: "n8n instance", view: Instance },
  { name: "base", title: "Knowledge base", view: Base },
];

export const PLATFORM = [
  { name: "tenants", title: "Tenants", view: Tenants },
  { name: "storage", title: "Storage of tenants", view: Sizes },
  { name: "jobs", title: "Jobs", view: Jobs },
  { name: "recovery", title: "Backups and drills", view: Recovery },
  { name: "health", title: "Health and erasures", view: Health },
];
