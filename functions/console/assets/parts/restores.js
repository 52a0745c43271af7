/* Archived executions that are brought back to hot for some days, and how far that is. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { date, moment, number } from "../format.js";
import { useAction, useLoaded, usePolling } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Field, Form, Loaded, Progress } from "../ui.js";

const TONES = { pending: "waiting", running: "running", done: "success", failed: "error", expired: "canceled" };
const isOpen = ({ state }) => state === "pending" || state === "running";

export const Restores = () => {
  const restores = useLoaded("/routes/history/restores", { limit: 50 });
  usePolling(restores, (rows) => rows.some(isOpen));
  const [asked, setAsked] = useState(false);
  const [create, creating] = useAction(
    (fields) => ask("POST", "/routes/history/restores", { body: given(fields) }),
    () => { setAsked(false); restores.again(); },
  );
  const aside = html`<button type="button" onClick=${() => setAsked(!asked)} aria-expanded=${asked}>Bring back</button>`;
  return html`
    <${Card} title="Brought back from the archive" aside=${aside}>
      ${asked && html`
        <${Form} send=${create} state=${creating} submit="Bring back">
          <${Field} label="Started from" name="first_at" type="date" required />
          <${Field} label="to before" name="last_at" type="date" required />
          <${Field} label="Hot for days" name="days" type="number" min="1" max="90" value="7" required />
        <//>`}
      <${Loaded} of=${restores}>${(rows, { more }) => html`<${Table} caption="Restores" rows=${rows} more=${more} columns=${COLUMNS} empty="Nothing was brought back." />`}<//>
    <//>`;
};

/** Days of the viewer's zone as moments. */
const given = ({ first_at, last_at, days }) => ({
  first_at: new Date(`${first_at}T00:00`).toISOString(),
  last_at: new Date(`${last_at}T00:00`).toISOString(),
  days: Number(days),
});

const COLUMNS = [
  { title: "State", cell: ({ state }) => html`<${Badge} tone=${TONES[state]}>${state}<//>` },
  { title: "Executions from", cell: ({ first_at, last_at }) => html`${date(first_at)} to before ${date(last_at)}` },
  { title: "Rows", cell: ({ rows_done, rows_total }) => html`<${Progress} done=${rows_done} total=${rows_total} label="Rows brought back" /> ${number(rows_done)} of ${number(rows_total)}` },
  { title: "Hot until", cell: ({ expires_at, error }) => error ?? moment(expires_at) },
  { title: "Asked for", extra: true, cell: ({ created_at, created_by }) => html`${moment(created_at)} <small>by ${created_by}</small>` },
];
