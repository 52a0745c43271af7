/* One workflow: how it ran, what of it failed, and its last executions. */

import { html } from "../vendor/htm-preact.js";
import { useLoaded } from "../hooks.js";
import { Messages, Nodes } from "../parts/failures.js";
import { Outcomes, RunsChart } from "../parts/runs.js";
import { ForeignZone, PeriodChoice, rangeOf, useWorkflowPeriod } from "../period.js";
import { Card, Loaded, View } from "../ui.js";
import { ExecutionTable } from "./executions.js";
import { Totals } from "./overview.js";

export const Workflow = ({ base, id }) => {
  const period = useWorkflowPeriod();
  const workflow = useLoaded(`/routes/workflows/${id}`);
  const runs = useLoaded("/routes/analytics/executions", { ...period, workflow_id: id });
  const errors = useLoaded("/routes/analytics/errors", { ...rangeOf(period), workflow_id: id, limit: 5 });
  const nodes = useLoaded(workflow.data && "/routes/analytics/nodes", { ...rangeOf(period), workflow_id: id });
  const last = useLoaded("/routes/history/workflow-executions", { workflow_id: id, limit: 10 });
  return html`
    <${View} title=${workflow.data?.name ?? "Workflow"} about=${workflow.data?.description} aside=${html`<${PeriodChoice} />`}>
      ${workflow.status === "failed" ? html`<${Loaded} of=${workflow} />` : html`
      <${Loaded} of=${runs}>${(found) => html`
        <${Totals} totals=${found.totals} />
        <${Card} title="Executions over time" aside=${html`<${ForeignZone} zone=${found.time_zone} />`}><${RunsChart} found=${found} /><//>
        ${found.totals.total > 0 && html`<${Outcomes} found=${found} />`}`}<//>
      <div class="columns">
        <${Card} title="Failures by message"><${Loaded} of=${errors}>${(found) => html`<${Messages} found=${found} base=${base} short />`}<//><//>
        <${Card} title="Nodes"><${Loaded} of=${nodes}>${(found) => html`<${Nodes} found=${found} />`}<//><//>
      </div>
      <${Card} title="Last executions" aside=${html`<a href=${`${base}/executions?workflow_id=${id}`}>All of them</a>`}>
        <${Loaded} of=${last}>${(rows) => html`<${ExecutionTable} rows=${rows} base=${base} />`}<//>
      <//>`}
    <//>`;
};
