/* Workflows with how they ran in a time, the worst first. */

import { html } from "../vendor/htm-preact.js";
import { Sparkline } from "../chart.js";
import { number, percent } from "../format.js";
import { useLoaded } from "../hooks.js";
import { byWorkflow, worstFirst } from "../measures.js";
import { ForeignZone, PeriodChoice, useWorkflowPeriod } from "../period.js";
import { Table } from "../table.js";
import { Badge, Card, Loaded, View } from "../ui.js";

export const Workflows = ({ base }) => {
  const workflows = useLoaded("/routes/workflows", { limit: 250 });
  const period = useWorkflowPeriod();
  const grouped = useLoaded("/routes/analytics/executions", { ...period, group_by: "workflow" });
  return html`
    <${View} title="Workflows" about="Those that fail most are first." aside=${html`<${ForeignZone} zone=${period.time_zone} /><${PeriodChoice} />`}>
      <${Card}><${Loaded} of=${workflows}>${(named, { more }) => html`
        <${Loaded} of=${grouped}>${({ series }) => html`<${Table} caption="Workflows" rows=${joined(named, byWorkflow(series))} more=${more} columns=${columns(base)} empty="There is no workflow yet. n8n makes them when it reports executions." />`}<//>`}<//><//>
    <//>`;
};

const IDLE = { total: 0, failed: 0, success_rate: null, points: [] };

/** All workflows, those too that did not run. */
const joined = (workflows, measured) => {
  const found = new Map(measured.map((each) => [each.id, each]));
  return worstFirst(workflows.map((each) => ({ ...each, ...(found.get(each.id) ?? IDLE) })));
};

const columns = (base) => [
  { title: "Workflow", cell: ({ id, name }) => html`<a href=${`${base}/workflow/${id}`}>${name}</a>` },
  { title: "State", extra: true, cell: ({ is_active }) => html`<${Badge} tone=${is_active ? "success" : "canceled"}>${is_active ? "active" : "inactive"}<//>` },
  { title: "Runs over time", extra: true, cell: ({ name, points }) => points.length > 0 && html`<${Sparkline} points=${points} label=${`Runs of ${name} over time`} />` },
  { title: "Runs", numeric: true, cell: ({ total }) => number(total) },
  { title: "Failures", numeric: true, cell: ({ failed }) => html`<span class=${failed ? "bad" : ""}>${number(failed)}</span>` },
  { title: "Success rate", numeric: true, cell: ({ success_rate }) => percent(success_rate) },
];
