/* Workflows side by side, each with the period before: the worst first, or by another measure. */

import { html } from "../vendor/htm-preact.js";
import { Sparkline } from "../chart.js";
import { duration, number, percent } from "../format.js";
import { setQuery, useLoaded } from "../hooks.js";
import { Change, failures } from "../measures.js";
import { ForeignZone, PeriodChoice, rangeOf, useWorkflowPeriod } from "../period.js";
import { Table } from "../table.js";
import { Badge, Card, Choice, Loaded, View } from "../ui.js";

const SORTS = [["failures", "Most failures"], ["trend", "Failures that are new"], ["total", "Most runs"], ["p95", "Slowest"]];

export const Workflows = ({ base, query: { sort = "failures" } }) => {
  const period = useWorkflowPeriod();
  const workflows = useLoaded("/routes/workflows", { limit: 250 });
  const ranking = useLoaded("/routes/analytics/workflows", { ...rangeOf(period), sort, limit: 100 });
  const aside = html`
    <${ForeignZone} zone=${period.time_zone} />
    <${Choice} label="Order" value=${sort} options=${SORTS} onChange=${(value) => setQuery({ sort: value })} />
    <${PeriodChoice} />`;
  return html`
    <${View} title="Workflows" about="Small numbers: the change to the period before." aside=${aside}>
      <${Card}><${Loaded} of=${workflows}>${(named, { more }) => html`
        <${Loaded} of=${ranking}>${(found) => html`<${Table} caption="Workflows" rows=${joined(found.workflows, named)} more=${more} columns=${columns(base)} empty="There is no workflow yet. n8n makes them when it reports executions." />`}<//>`}<//><//>
    <//>`;
};

const NONE = { total: 0, error: 0, crashed: 0, success_rate: null, p95_seconds: null };
const IDLE = { ...NONE, before: NONE, sparkline: [] };

/** Those that ran, in their order, then those that did not. */
const joined = (ranked, named) => {
  const known = new Map(named.map((each) => [each.id, each]));
  const ran = new Set(ranked.map(({ workflow_id }) => workflow_id));
  return [
    ...ranked.map((each) => ({ ...each, id: each.workflow_id, is_active: known.get(each.workflow_id)?.is_active })),
    ...named.filter(({ id }) => !ran.has(id)).map((each) => ({ ...IDLE, ...each })),
  ];
};

const STATES = { true: ["active", "success"], false: ["inactive", "canceled"] };

const State = ({ name, is_active }) => {
  const [word, tone] = STATES[is_active] ?? [name === null ? "deleted" : "", "canceled"];
  return word && html`<${Badge} tone=${tone}>${word}<//>`;
};

const columns = (base) => [
  { title: "Workflow", cell: ({ id, name }) => (name === null ? "A deleted workflow" : html`<a href=${`${base}/workflow/${id}`}>${name}</a>`) },
  { title: "State", extra: true, cell: (row) => html`<${State} ...${row} />` },
  { title: "Runs over time", extra: true, cell: ({ name, sparkline }) => sparkline.length > 0 && html`<${Sparkline} points=${sparkline} label=${`Runs of ${name ?? "a deleted workflow"} over time: ${sparkline.join(", ")}`} />` },
  { title: "Runs", numeric: true, cell: ({ total, before }) => html`${number(total)}<${Change} now=${total} then=${before.total} />` },
  { title: "Failures", numeric: true, cell: (row) => html`<span class=${failures(row) ? "bad" : ""}>${number(failures(row))}</span><${Change} now=${failures(row)} then=${failures(row.before)} moreIsBad />` },
  { title: "Success rate", numeric: true, extra: true, cell: ({ success_rate, before }) => html`${percent(success_rate)}<${Change} now=${success_rate} then=${before.success_rate} format=${percent} />` },
  { title: "p95", numeric: true, cell: ({ p95_seconds, before }) => html`${duration(p95_seconds)}<${Change} now=${p95_seconds} then=${before.p95_seconds} format=${duration} />` },
];
