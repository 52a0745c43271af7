/* What failed: by message and by node. */

import { html } from "../vendor/htm-preact.js";
import { ago, duration, moment, number, plural } from "../format.js";
import { Table } from "../table.js";

/** Of `GET analytics/errors`. `short`: without what there is no room for. `names`: of workflows, by id. */
export const Messages = ({ found: { errors, failures_read, read_at_most }, base, names, short }) => html`
  <${Table} caption="Failures by message" rows=${errors} empty="Nothing failed in this time." columns=${[
    { title: "Message", cell: ({ message, example_execution_id }) => html`<a class="clipped" title=${message} href=${`${base}/execution/${example_execution_id}`}>${message ?? "without a message"}</a>` },
    { title: "Failures", numeric: true, cell: ({ count }) => number(count) },
    ...(short ? [] : [
      { title: "Workflows", extra: true, cell: ({ workflows }) => (workflows.length === 1 ? (names.get(workflows[0]) ?? "a workflow") : plural(workflows.length, "workflow")) },
      { title: "Last node", extra: true, cell: ({ last_node }) => last_node },
      { title: "First", extra: true, cell: ({ first_seen }) => html`<span class="whole-line">${moment(first_seen)}</span>` },
    ]),
    { title: "Last", cell: ({ last_seen }) => html`<span class="whole-line" title=${moment(last_seen)}>${ago(last_seen)}</span>` },
  ]} />
  ${failures_read === read_at_most && html`<p class="note">These are the newest ${number(read_at_most)} failures. There may be more.</p>`}`;

/** Of `GET analytics/nodes`, in the order of the answer: those that fail most come first. */
export const Nodes = ({ found: { nodes, executions_read, oldest } }) => html`
  <p class="note">Of the newest ${plural(executions_read, "execution")} that have ended and were reported with data of nodes${oldest && `, since ${moment(oldest)}`}.</p>
  <${Table} caption="Failures by node" rows=${nodes} columns=${NODES} empty="No execution was reported with data of its nodes." />`;

const NODES = [
  { title: "Node", cell: ({ node }) => node },
  { title: "Runs", numeric: true, cell: ({ runs }) => number(runs) },
  { title: "Failures", numeric: true, cell: ({ failures }) => html`<span class=${failures ? "bad" : ""}>${number(failures)}</span>` },
  { title: "p50", numeric: true, extra: true, cell: ({ p50_seconds }) => duration(p50_seconds) },
  { title: "p95", numeric: true, cell: ({ p95_seconds }) => duration(p95_seconds) },
];
