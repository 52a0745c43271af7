/* Runs that never arrived: n8n numbers its runs, so what lies between two numbers is missing. */

import { html, useMemo } from "../vendor/htm-preact.js";
import { moment, number } from "../format.js";
import { setQuery, useLoaded } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Choice, Figure, Figures, Loaded } from "../ui.js";
import { pathOf } from "./connection.js";

const RANGES = [["1", "Last 24 hours"], ["7", "Last 7 days"], ["31", "Last 31 days"]];

export const Gaps = ({ name, days = "7" }) => {
  const range = useMemo(() => {
    const to = Date.now();
    return { from: new Date(to - days * 86_400_000).toISOString(), to: new Date(to).toISOString() };
  }, [days]);
  const report = useLoaded(`${pathOf(name)}/gaps`, range);
  const aside = html`<div class="aside"><${Choice} label="Started in" value=${days} options=${RANGES} onChange=${(value) => setQuery({ days: value })} /></div>`;
  return html`
    <${Card} title="Missing runs" aside=${aside}><${Loaded} of=${report}>${(found) => html`<${Report} ...${found} />`}<//><//>`;
};

const Report = ({ first, last, arrived, missing, complete, gaps }) => html`
  <${Figures}>
    <${Figure} name="Arrived" value=${number(arrived)} note=${first !== null && `from ${first} to ${last}`} />
    <${Figure} name="Missing" value=${number(missing)} tone=${missing ? "bad" : ""} />
  <//>
  ${!complete && html`<p class="note">There is more than this: choose a shorter time.</p>`}
  <${Table} caption="Missing runs" rows=${gaps} columns=${COLUMNS} empty="No run is missing between the first and the last that arrived." />`;

const KNOWN = {
  not_kept: ["n8n has no such run", "canceled"],
  pruned: ["pruned by n8n", "error"],
  restarted: ["n8n's database began anew", "canceled"],
  asking: ["will be asked for", "running"],
  unknown: ["nobody has asked", "waiting"],
};

const COLUMNS = [
  { title: "Ids in n8n", cell: ({ first, last }) => html`<span class="whole-line">${first === last ? first : `${first} to ${last}`}</span>` },
  { title: "Runs", numeric: true, cell: ({ runs }) => number(runs) },
  { title: "Known of them", cell: ({ known }) => html`<${Badge} tone=${KNOWN[known][1]}>${KNOWN[known][0]}<//>` },
  { title: "After a run of", extra: true, cell: ({ after }) => html`<span class="whole-line">${moment(after)}</span>` },
  { title: "Before one of", cell: ({ before }) => html`<span class="whole-line">${moment(before)}</span>` },
];
