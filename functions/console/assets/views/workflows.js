/* Workflows with how they ran: the worst first, or by another measure. */

import { html } from "../vendor/htm-preact.js";
import { Sparkline } from "../chart.js";
import { duration, number, percent } from "../format.js";
import { setQuery, useLoaded } from "../hooks.js";
import { PeriodChoice, usePeriod } from "../period.js";
import { Table } from "../table.js";
import { Card, Choice, Loaded, View } from "../ui.js";
import { listed } from "./overview.js";

const SORTS = [["failures", "Most failures"], ["total", "Most runs"], ["p95", "Slowest"], ["trend", "Most changed"]];

export const Workflows = ({ base, query }) => {
  const { from, to, time_zone } = usePeriod();
  const sort = query.sort ?? "failures";
  const loaded = useLoaded("/routes/analytics/workflows", { from, to, time_zone, sort, limit: 100 });
  const aside = html`
    <${Choice} label="Order" value=${sort} options=${SORTS} onChange=${(value) => setQuery({ sort: value })} />
    <${PeriodChoice} />`;
  return html`
    <${View} title="Workflows" about="Each beside the same time before." aside=${aside}>
      <${Card}><${Loaded} of=${loaded}>${(found) => html`
        <${Table} caption="Workflows" rows=${listed(found)} columns=${columns(base)} empty="No workflow ran in this time." />`}<//><//>
    <//>`;
};

const failed = (row) => (row.error ?? 0) + (row.crashed ?? 0);

const columns = (base) => [
  { title: "Workflow", cell: (row) => html`<a href=${`${base}/workflow/${row.workflow_id}`}>${row.name ?? row.workflow_name}</a>` },
  { title: "Trend", extra: true, cell: (row) => html`<${Sparkline} points=${(row.sparkline ?? []).map(point)} label=${`Runs of ${row.name ?? row.workflow_name} over time`} />` },
  { title: "Runs", numeric: true, cell: (row) => html`${number(row.total)}${change(row.total, before(row)?.total)}` },
  { title: "Failures", numeric: true, cell: (row) => html`${number(failed(row))}${before(row) && change(failed(row), failed(before(row)), true)}` },
  { title: "Success", numeric: true, cell: (row) => percent(row.success_rate) },
  { title: "p50", numeric: true, extra: true, cell: (row) => duration(row.p50_seconds) },
  { title: "p95", numeric: true, cell: (row) => duration(row.p95_seconds) },
];

const before = ({ previous, before: earlier }) => previous ?? earlier;
const point = (each) => (typeof each === "number" ? { total: each } : { total: each.total, failed: failed(each) });

/** How much more or less than in the period before. */
const change = (now, then, moreIsBad) => {
  if (then === undefined || then === null || now === then) return null;
  const [sign, bad] = now > then ? ["+", moreIsBad] : ["−", false];
  return html`<small class=${bad ? "bad" : ""} title=${`${number(then)} in the time before`}>${sign}${number(Math.abs(now - then))}</small>`;
};
