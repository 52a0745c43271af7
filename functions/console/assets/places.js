/* Where one can go. `least` is the role that a place needs; one without it is reached from another. A view is a module that is
   fetched when somebody goes there. */

export const TENANT = [
  { name: "overview", title: "Overview", least: "member", load: () => import("./views/overview.js").then(({ Overview }) => Overview) },
  { name: "workflows", title: "Workflows", least: "member", parts: ["workflow"], load: () => import("./views/workflows.js").then(({ Workflows }) => Workflows) },
  { name: "executions", title: "Executions", least: "member", parts: ["execution"], load: () => import("./views/executions.js").then(({ Executions }) => Executions) },
  { name: "failures", title: "Failures", least: "member", load: () => import("./views/failures.js").then(({ Failures }) => Failures) },
  { name: "alerts", title: "Alerts", least: "member", parts: ["alert"], load: () => import("./views/alerts.js").then(({ Alerts }) => Alerts) },
  { name: "instances", title: "n8n instances", least: "member", parts: ["instance"], load: () => import("./views/instances.js").then(({ Instances }) => Instances) },
  { name: "knowledge", title: "Knowledge", least: "member", parts: ["base"], load: () => import("./views/knowledge.js").then(({ Knowledge }) => Knowledge) },
  { name: "storage", title: "Storage", least: "admin", load: () => import("./views/storage.js").then(({ Storage }) => Storage) },
  { name: "recovery", title: "Recovery", least: "admin", load: () => import("./views/tenant_recovery.js").then(({ TenantRecovery }) => TenantRecovery) },
  { name: "usage", title: "Usage", least: "member", load: () => import("./views/usage.js").then(({ Usage }) => Usage) },
  { name: "keys", title: "API keys", least: "admin", load: () => import("./views/keys.js").then(({ Keys }) => Keys) },
  { name: "members", title: "Members", least: "member", load: () => import("./views/members.js").then(({ Members }) => Members) },
  { name: "workflow", title: "Workflow", load: () => import("./views/workflow.js").then(({ Workflow }) => Workflow) },
  { name: "execution", title: "Execution", load: () => import("./views/execution.js").then(({ Execution }) => Execution) },
  { name: "alert", title: "Alert", load: () => import("./views/alert.js").then(({ Alert }) => Alert) },
  { name: "instance", title: "n8n instance", load: () => import("./views/instance.js").then(({ Instance }) => Instance) },
  { name: "base", title: "Knowledge base", load: () => import("./views/base.js").then(({ Base }) => Base) },
];

export const PLATFORM = [
  { name: "tenants", title: "Tenants", load: () => import("./views/tenants.js").then(({ Tenants }) => Tenants) },
  { name: "storage", title: "Storage of tenants", load: () => import("./views/sizes.js").then(({ Sizes }) => Sizes) },
  { name: "jobs", title: "Jobs", load: () => import("./views/jobs.js").then(({ Jobs }) => Jobs) },
  { name: "recovery", title: "Backups and drills", load: () => import("./views/recovery.js").then(({ Recovery }) => Recovery) },
  { name: "health", title: "Health and erasures", load: () => import("./views/health.js").then(({ Health }) => Health) },
];

/** A part of an address; one that says nothing in UTF-8 stays as it stands, and names no place. */
const decoded = (part) => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

/** [word, slug, view, id] of /console/t/{slug}/{view}/{id} and /console/platform/{view}. */
export const placeOf = (path) => {
  const [, , word, ...rest] = path.split("/").map(decoded);
  const [slug, name, id] = word === "t" ? [rest[0], rest[1] || "overview", rest[2]] : [undefined, rest[0]];
  const platform = word === "platform";
  return { slug, platform, name, id, place: (platform ? PLATFORM : TENANT).find((each) => each.name === name) };
};

/** The view of a place, fetched once. */
export const fetchView = async (place) => (place.view ??= await place.load());
