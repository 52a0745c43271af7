/* What the tenant uses: tokens of embeddings by day. */

import { html } from "../vendor/htm-preact.js";
import { Chart } from "../chart.js";
import { number } from "../format.js";
import { useLoaded, useLocation } from "../hooks.js";
import { PeriodChoice } from "../period.js";
import { Table } from "../table.js";
import { Card, Empty, Figure, Figures, Loaded, View } from "../ui.js";

const day = (iso) => new Date(`${iso}T00:00`).toLocaleDateString(undefined, { month: "short", day: "numeric" });
const sum = (rows, field) => rows.reduce((total, row) => total + row[field], 0);

export const Usage = ({ tenant }) => {
  const days = useLocation().query.days ?? 30;
  const loaded = useLoaded(`/routes/knowledge/${tenant.slug}/usage`, { days });
  return html`
    <${View} title="Usage" about="What embedding documents has cost, by day (UTC) and model." aside=${html`<${PeriodChoice} />`}>
      <${Loaded} of=${loaded}>${(rows) => (rows.length ? html`<${Days} rows=${rows} />` : html`<${Card}><${Empty}>Nothing was embedded in this time.<//><//>`)}<//>
    <//>`;
};

const Days = ({ rows }) => {
  const days = Object.entries(Object.groupBy(rows, (row) => row.day)).sort();
  return html`
    <${Figures}>
      <${Figure} name="Tokens" value=${number(sum(rows, "tokens"))} />
      <${Figure} name="Passages" value=${number(sum(rows, "chunks"))} />
      <${Figure} name="Requests to the model" value=${number(sum(rows, "requests"))} />
    <//>
    <${Card} title="Tokens by day">
      <${Chart} title="Tokens by day" series=${[{ name: "tokens", tone: "running" }]} rows=${days.map(([iso, each]) => ({ label: day(iso), short: day(iso), values: [sum(each, "tokens")] }))} />
    <//>
    <${Card} title="By day and model"><${Table} caption="Usage by day and model" rows=${rows} columns=${COLUMNS} /><//>`;
};

const COLUMNS = [
  { title: "Day", cell: (row) => day(row.day) },
  { title: "Model", cell: ({ embedding_model }) => embedding_model },
  { title: "Tokens", numeric: true, cell: ({ tokens }) => number(tokens) },
  { title: "Passages", numeric: true, cell: ({ chunks }) => number(chunks) },
  { title: "Requests", numeric: true, extra: true, cell: ({ requests }) => number(requests) },
];
