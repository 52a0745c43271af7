/* One workflow: how it ran, and its nodes. */

import { html } from "../vendor/htm-preact.js";
import { Chart } from "../chart.js";
import { duration, number, percent } from "../format.js";
import { useLoaded } from "../hooks.js";
import { PeriodChoice, named, usePeriod } from "../period.js";
import { COUNTED, SERIES } from "../statuses.js";
import { Table } from "../table.js";
import { Card, Figure, Figures, Loaded, View } from "../ui.js";
import { ExecutionTable } from "./executions.js";
import { listed } from "./overview.js";

export const Workflow = ({ base, id }) => {
  const period = usePeriod();
  const workflow = useLoaded(`/routes/workflows/${id}`);
  const runs = useLoaded("/routes/analytics/executions", { ...period, workflow_id: id });
  const nodes = useLoaded("/routes/analytics/nodes", { workflow_id: id });
  const last = useLoaded("/routes/history/workflow-executions", { workflow_id: id, limit: 10 });
  return html`
    <${View} title=${workflow.data?.name ?? "Workflow"} about=${workflow.data?.description} aside=${html`<${PeriodChoice} />`}>
      ${workflow.status === "failed" ? html`<${Loaded} of=${workflow} />` : html`
      <${Loaded} of=${runs}>${(found) => html`<${Runs} ...${found} />`}<//>
      <${Card} title="Nodes" aside=${html`<span class="note">from the data of the last runs</span>`}>
        <${Loaded} of=${nodes}>${(found) => html`<${Table} caption="Nodes" rows=${listed(found)} columns=${NODES} empty="No run of it has data." />`}<//>
      <//>
      <${Card} title="Last executions" aside=${html`<a href=${`${base}/executions?workflow_id=${id}`}>All of them</a>`}>
        <${Loaded} of=${last}>${(rows) => html`<${ExecutionTable} rows=${rows} base=${base} />`}<//>
      <//>`}
    <//>`;
};

const Runs = ({ totals, series, bucket }) => html`
  <${Figures}>
    <${Figure} name="Executions" value=${number(totals.total)} />
    <${Figure} name="Success rate" value=${percent(totals.success_rate)} />
    <${Figure} name="Failures" value=${number(totals.error + totals.crashed)} tone=${totals.error + totals.crashed > 0 ? "bad" : ""} />
    <${Figure} name="95 of 100 end within" value=${duration(totals.p95_seconds)} note=${`the longest took ${duration(totals.max_seconds)}`} />
  <//>
  <${Card} title="Executions over time">
    <${Chart} title="Executions by status" series=${SERIES} rows=${series.map((row) => ({ ...named(row.bucket_start, bucket), values: COUNTED.map((status) => row[status] ?? 0) }))} />
  <//>`;

const NODES = [
  { title: "Node", cell: ({ node, name }) => node ?? name },
  { title: "Runs", numeric: true, cell: ({ runs }) => number(runs) },
  { title: "Failures", numeric: true, cell: ({ failures }) => number(failures) },
  { title: "p50", numeric: true, cell: ({ p50_seconds }) => duration(p50_seconds) },
  { title: "p95", numeric: true, cell: ({ p95_seconds }) => duration(p95_seconds) },
];
