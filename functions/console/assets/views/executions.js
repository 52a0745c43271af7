/* Executions, hot and archived in one list, newest first. */

import { html } from "../vendor/htm-preact.js";
import { ago, between, duration, moment } from "../format.js";
import { setQuery, useLoaded } from "../hooks.js";
import { InstanceChoice } from "../parts/runs.js";
import { STATUSES } from "../statuses.js";
import { Table } from "../table.js";
import { Badge, Card, Choice, Loaded, View } from "../ui.js";

export const Executions = ({ base, query: { status, workflow_id, instance } }) => {
  const workflows = useLoaded("/routes/workflows", { instance, limit: 250 });
  const loaded = useLoaded("/routes/history/workflow-executions", { status, workflow_id, instance, limit: 50 });
  const names = new Map((workflows.data ?? []).map(({ id, name }) => [id, name]));
  const aside = html`
    <${InstanceChoice} value=${instance} />
    <${Choice} label="Status" value=${status} onChange=${(value) => setQuery({ status: value })}
      options=${[["", "Any status"], ...STATUSES.filter((each) => each !== "recovered").map((each) => [each, each])]} />
    <${Choice} label="Workflow" value=${workflow_id} onChange=${(value) => setQuery({ workflow_id: value })}
      options=${[["", "Any workflow"], ...names]} />`;
  return html`
    <${View} title="Executions" about="Hot and archived, newest first." aside=${aside}>
      <${Card}><${Loaded} of=${loaded}>${(rows, { more }) => html`<${ExecutionTable} rows=${rows} more=${more} base=${base} names=${names} />`}<//><//>
    <//>`;
};

/** With `names` of workflows also whose they are; `failed` and `short` say errors instead of what is the same in all. */
export const ExecutionTable = ({ rows, more, base, names, failed, short, empty = "No execution is like this." }) => html`
  <${Table} caption="Executions" rows=${rows} more=${more} empty=${empty} columns=${[
    ...(short ? [] : [{ title: "Status", cell: ({ status }) => html`<${Badge}>${status}<//>` }]),
    ...(names ? [{ title: "Workflow", cell: ({ workflow_id }) => names.get(workflow_id) ?? "a workflow" }] : []),
    { title: "Started", cell: (row) => html`<a class="whole-line" href=${`${base}/execution/${row.id}`}>${moment(row.started_at)}</a>${!short && html`<small>${ago(row.started_at)}</small>`}` },
    ...(short || failed ? [] : [
      { title: "Took", numeric: true, cell: (row) => duration(between(row.started_at, row.finished_at)) },
      { title: "Mode", extra: true, cell: ({ mode }) => mode },
    ]),
    ...(short ? [] : [{ title: "Tier", extra: true, cell: ({ tier }) => tier }]),
    { title: "Error", extra: !short && !failed, cell: ({ error_message }) => html`<span class="clipped">${error_message}</span>` },
  ]} />`;
