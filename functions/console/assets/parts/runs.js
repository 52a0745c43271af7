/* Executions over time: stacked by status, how many of them succeed, and how long they take. And whose they are. */

import { html } from "../vendor/htm-preact.js";
import { Chart, Lines, scale } from "../chart.js";
import { duration, percent } from "../format.js";
import { setQuery, useLoaded } from "../hooks.js";
import { namesOf } from "../period.js";
import { COUNTED, SERIES } from "../statuses.js";
import { Card, Choice, Empty } from "../ui.js";

/** For tenants with several n8n instances. */
export const InstanceChoice = ({ value }) => {
  const { data = [] } = useLoaded("/routes/n8n/instances");
  return data.length > 1 && html`
    <${Choice} label="Instance" value=${value} onChange=${(instance) => setQuery({ instance })}
      options=${[["", "Any instance"], ...data.map(({ name }) => [name, name])]} />`;
};

const rowsOf = ({ series, bucket, time_zone }, values) => {
  const named = namesOf(bucket, time_zone);
  return series.map((row) => ({ ...named(row.bucket_start), values: values(row) }));
};

export const RunsChart = ({ found }) => html`
  <${Chart} title="Executions by status" series=${SERIES} rows=${rowsOf(found, (row) => COUNTED.map((status) => row[status]))} />`;

const RATE = [{ name: "success rate in per cent", tone: "success" }];
const PER_CENT = { top: 100, ticks: [0, 25, 50, 75, 100] };
const TIMES = [{ name: "p95: 95 of 100 end within", tone: "waiting" }, { name: "p50: half end within", tone: "running" }];

/** Side by side: of what has ended, how much succeeded and how long it took. */
export const Outcomes = ({ found }) => {
  const rates = rowsOf(found, ({ success_rate }) => [success_rate]);
  const times = rowsOf(found, ({ p95_seconds, p50_seconds }) => [p95_seconds, p50_seconds]);
  const longest = Math.max(...times.map(({ values }) => values[0] ?? 0));
  return html`
    <div class="columns">
      <${Card} title="Success rate"><${Lines} title="Success rate" series=${RATE} rows=${rates} format=${percent} axis=${PER_CENT} /><//>
      <${Card} title="Time from start to end">
        ${longest ? html`<${Lines} title="Time from start to end" series=${TIMES} rows=${times} format=${duration} axis=${scale(longest, true)} />` : html`<${Empty}>Nothing has ended in this time.<//>`}
      <//>
    </div>`;
};
