/* What fails, by what is said of it. Numbers, ids and addresses in a message do not make it another. */

import { html } from "../vendor/htm-preact.js";
import { ago, moment, number, plural } from "../format.js";
import { useLoaded } from "../hooks.js";
import { PeriodChoice, usePeriod } from "../period.js";
import { Table } from "../table.js";
import { Card, Loaded, View } from "../ui.js";
import { listed } from "./overview.js";

export const Failures = ({ base }) => {
  const { from, to, time_zone } = usePeriod();
  const loaded = useLoaded("/routes/analytics/errors", { from, to, time_zone });
  return html`
    <${View} title="Failures" about="By message: what differs only in numbers, ids, times and addresses is one." aside=${html`<${PeriodChoice} />`}>
      <${Card}><${Loaded} of=${loaded}>${(found) => html`<${Messages} rows=${listed(found)} base=${base} />`}<//><//>
    <//>`;
};

export const Messages = ({ rows, base, short }) => html`
  <${Table} caption="Failures by message" rows=${rows} empty="Nothing failed in this time." columns=${[
    { title: "Message", cell: (row) => html`<a class="clipped" href=${`${base}/execution/${row.example_execution_id}`}>${row.message}</a>` },
    { title: "Times", numeric: true, cell: ({ count }) => number(count) },
    ...(short ? [] : [
      { title: "Workflows", numeric: true, extra: true, cell: ({ workflows }) => (Array.isArray(workflows) ? number(workflows.length) : number(workflows)) },
      { title: "Last node", extra: true, cell: ({ last_node }) => last_node },
      { title: "First", extra: true, cell: ({ first_seen }) => moment(first_seen) },
    ]),
    { title: "Last", cell: ({ last_seen }) => html`<span title=${moment(last_seen)}>${ago(last_seen)}</span>` },
  ]} />`;
