/* What was rejected of n8n's reports: why, what it was, and a button that tries it again. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { moment } from "../format.js";
import { useAction } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Failure, Loaded } from "../ui.js";

const SHOWN = 5_000; // characters of an item

export const Rejected = ({ of, base }) => {
  const [result, setResult] = useState(null);
  const [replay, replaying] = useAction(
    (id) => ask("POST", `/routes/n8n/rejected/${id}/replay`),
    ({ data }) => { setResult(data); of.again(); },
  );
  return html`
    <${Card} title="Rejected in the last seven days">
      <div aria-live="polite">${result && html`<${Result} ...${result} base=${base} />`}</div>
      ${replaying.problem && html`<${Failure} problem=${replaying.problem} />`}
      <${Loaded} of=${of}>${(rows, { more }) => html`<${Table} caption="Rejected items" rows=${rows} more=${more} columns=${columns(replay, replaying)} empty="Nothing was rejected." />`}<//>
    <//>`;
};

const Result = ({ outcome, error, id, n8n_execution_id, base }) => {
  const what = n8n_execution_id ? `n8n's run ${n8n_execution_id}` : "The item";
  if (outcome === "rejected") return html`<p><${Badge} tone="error">rejected again<//> ${what}: ${error}</p>`;
  return html`<p><${Badge} tone="success">${outcome}<//> ${id ? html`<a href=${`${base}/execution/${id}`}>${what}</a>` : what}</p>`;
};

const columns = (replay, replaying) => [
  { title: "When", cell: ({ rejected_at }) => html`<span class="whole-line">${moment(rejected_at)}</span>` },
  { title: "Instance", extra: true, cell: ({ instance }) => instance },
  { title: "Run in n8n", extra: true, cell: ({ n8n_execution_id }) => n8n_execution_id },
  { title: "Why", cell: ({ error, item }) => html`${error}${item !== null && html`<${Item} item=${item} />`}` },
  { cell: ({ id, item }) => item !== null && html`<button type="button" disabled=${replaying.busy} onClick=${() => replay(id)}>Replay</button>` },
];

const Item = ({ item }) => html`<details><summary>What was sent</summary><pre tabindex="0">${JSON.stringify(item, null, 2).slice(0, SHOWN)}</pre></details>`;
