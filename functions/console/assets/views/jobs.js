/* What the jobs of the platform did lately. */

import { html } from "../vendor/htm-preact.js";
import { ago, between, duration, moment, number } from "../format.js";
import { useLoaded } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Loaded, View } from "../ui.js";

const TONES = { done: "success", running: "running", unfinished: "waiting", failed: "error", killed: "crashed" };

export const Jobs = () => {
  const jobs = useLoaded("/routes/health/jobs");
  return html`
    <${View} title="Jobs" about="The newest run of each. What is unfinished had no time left, and goes on by itself.">
      <${Card}><${Loaded} of=${jobs}>${(rows) => html`<${Table} caption="Jobs" rows=${rows} columns=${COLUMNS} empty="No job has run yet." />`}<//><//>
    <//>`;
};

const COLUMNS = [
  { title: "Job", cell: ({ job }) => html`<code>${job}</code>` },
  { title: "State", cell: ({ state }) => html`<${Badge} tone=${TONES[state]}>${state}<//>` },
  { title: "Started", cell: ({ started_at }) => html`<span class="whole-line" title=${moment(started_at)}>${ago(started_at)}</span>` },
  { title: "Took", numeric: true, extra: true, cell: ({ started_at, finished_at }) => duration(between(started_at, finished_at)) },
  { title: "Last done", extra: true, cell: ({ last_done_at }) => html`<span class="whole-line">${moment(last_done_at)}</span>` },
  { title: "Runs in 24 h", numeric: true, extra: true, cell: ({ runs_in_a_day }) => number(runs_in_a_day) },
  { title: "Failed in 24 h", numeric: true, cell: ({ failures_in_a_day }) => html`<span class=${failures_in_a_day ? "bad" : ""}>${number(failures_in_a_day)}</span>` },
  { title: "What it did", extra: true, cell: ({ counts, error }) => error ? html`<span class="bad">${error}</span>` : done(counts) },
];

const done = (counts) => Object.entries(counts).filter(([, count]) => count).map(([name, count]) => `${number(count)} ${name.replaceAll("_", " ")}`).join(", ");
