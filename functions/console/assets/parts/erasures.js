/* Erasures: of whom, how far, and what went. There is no way back. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { moment, number } from "../format.js";
import { useAction, useLoaded, usePolling } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Field, Form, Loaded, Progress } from "../ui.js";

const TONES = { pending: "waiting", running: "running", done: "success" };

/** Of a tenant where `slug` is given, and there a person may be erased; else of the platform. */
export const Erasures = ({ path, slug }) => {
  const erasures = useLoaded(path, { limit: 50 });
  usePolling(erasures, (rows) => rows.some(({ state }) => state !== "done"));
  const [asked, setAsked] = useState(false);
  const [create, creating] = useAction((body) => ask("POST", path, { body }), () => { setAsked(false); erasures.again(); });
  const aside = slug && html`<button type="button" onClick=${() => setAsked(!asked)} aria-expanded=${asked}>Erase a person</button>`;
  return html`
    <${Card} title="Erasures" aside=${aside}>
      ${asked && html`
        <${Form} send=${create} state=${creating} submit="Erase for ever" tone="danger">
          <${Field} label="Id of the person" name="user_id" required />
          <p class="note">Membership, preferences and chats go, hot and archived. There is no way back.</p>
        <//>`}
      <${Loaded} of=${erasures}>${(rows, { more }) => html`<${Table} caption="Erasures" rows=${rows} more=${more} columns=${COLUMNS} empty="Nobody asked for an erasure." />`}<//>
    <//>`;
};

const COLUMNS = [
  { title: "State", cell: ({ state }) => html`<${Badge} tone=${TONES[state]}>${state}<//>` },
  { title: "Of", cell: ({ user_id, tenant_id }) => user_id ?? html`the tenant <code>${tenant_id}</code>` },
  { title: "Progress", cell: ({ state, finished_at }) => finished_at ? `done ${moment(finished_at)}` : html`<${Progress} total=${state === "running" ? null : 1} done=${0} label="Erasure" />` },
  { title: "Gone", extra: true, cell: ({ counts }) => Object.entries(counts).filter(([, count]) => count).map(([name, count]) => `${number(count)} ${name}`).join(", ") },
  { title: "Asked for", extra: true, cell: ({ created_at, requested_by }) => html`${moment(created_at)} <small>by ${requested_by}</small>` },
];
