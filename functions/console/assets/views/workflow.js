/* One workflow: how it ran, and its last executions. */

import { html } from "../vendor/htm-preact.js";
import { useLoaded } from "../hooks.js";
import { RunsChart } from "../parts/runs.js";
import { ForeignZone, PeriodChoice, useWorkflowPeriod } from "../period.js";
import { Card, Loaded, View } from "../ui.js";
import { ExecutionTable } from "./executions.js";
import { Totals } from "./overview.js";

export const Workflow = ({ base, id }) => {
  const workflow = useLoaded(`/routes/workflows/${id}`);
  const runs = useLoaded("/routes/analytics/executions", { ...useWorkflowPeriod(), workflow_id: id });
  const last = useLoaded("/routes/history/workflow-executions", { workflow_id: id, limit: 10 });
  return html`
    <${View} title=${workflow.data?.name ?? "Workflow"} about=${workflow.data?.description} aside=${html`<${PeriodChoice} />`}>
      ${workflow.status === "failed" ? html`<${Loaded} of=${workflow} />` : html`
      <${Loaded} of=${runs}>${(found) => html`
        <${Totals} totals=${found.totals} />
        <${Card} title="Executions over time" aside=${html`<${ForeignZone} zone=${found.time_zone} />`}><${RunsChart} found=${found} /><//>`}<//>
      <${Card} title="Last executions" aside=${html`<a href=${`${base}/executions?workflow_id=${id}`}>All of them</a>`}>
        <${Loaded} of=${last}>${(rows) => html`<${ExecutionTable} rows=${rows} base=${base} />`}<//>
      <//>`}
    <//>`;
};
