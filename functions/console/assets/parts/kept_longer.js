/* Legal holds: what may not be deleted, by whom it was asked, and how it ends. And archived executions that are brought
   back to hot for some days, and how far that is. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { date, moment, number } from "../format.js";
import { useAction, useLoaded, usePolling } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Failure, Field, Form, Loaded, Progress } from "../ui.js";

export const Holds = () => {
  const holds = useLoaded("/routes/legal-holds", { limit: 50 });
  const [asked, setAsked] = useState(false);
  const [create, creating] = useAction(
    (fields) => ask("POST", "/routes/legal-holds", { body: asHold(fields) }),
    () => { setAsked(false); holds.again(); },
  );
  const [release, releasing] = useAction(({ id, reason }) => ask("POST", `/routes/legal-holds/${id}/release`, { body: { reason } }), holds.again);
  const aside = html`<button type="button" onClick=${() => setAsked(!asked)} aria-expanded=${asked}>New hold</button>`;
  return html`
    <${Card} title="Legal holds" aside=${aside}>
      ${asked && html`<${NewHold} send=${create} state=${creating} />`}
      ${releasing.problem && html`<${Failure} problem=${releasing.problem} />`}
      <${Loaded} of=${holds}>${(rows, { more }) => html`<${Table} caption="Legal holds" rows=${rows} more=${more} columns=${columns(release, releasing)} empty="Nothing is held." />`}<//>
    <//>`;
};

/** Of the fields of the form, those that the scope takes. */
const asHold = ({ scope, of, reason }) => ({ scope, reason, ...(scope === "tenant" ? {} : { [`${scope}_id`]: of }) });

const NewHold = ({ send, state }) => {
  const [scope, setScope] = useState("tenant");
  return html`
    <${Form} send=${send} state=${state} submit="Hold">
      <label class="field"><span>Of</span>
        <select name="scope" onChange=${({ target }) => setScope(target.value)}>
          <option value="tenant">the whole tenant</option><option value="workflow">a workflow</option><option value="execution">an execution</option>
        </select>
      </label>
      ${scope !== "tenant" && html`<${Field} label=${`Id of the ${scope}`} name="of" required />`}
      <${Field} label="Reason" name="reason" required maxlength="500" />
    <//>`;
};

const columns = (release, releasing) => [
  { title: "State", cell: ({ released_at }) => html`<${Badge} tone=${released_at ? "canceled" : "waiting"}>${released_at ? "released" : "held"}<//>` },
  { title: "Of", cell: ({ scope, workflow_id, execution_id }) => html`${scope} <code>${workflow_id ?? execution_id}</code>` },
  { title: "Reason", cell: ({ reason }) => reason },
  { title: "Since", extra: true, cell: ({ created_at, created_by }) => html`${moment(created_at)} <small>by ${created_by}</small>` },
  { title: "Released", cell: (hold) => hold.released_at ? html`${moment(hold.released_at)} <small>${hold.release_reason}</small>` : html`<${Release} hold=${hold} release=${release} busy=${releasing.busy} />` },
];

const Release = ({ hold, release, busy }) => {
  const [asked, setAsked] = useState(false);
  if (!asked) return html`<button type="button" class="quiet" onClick=${() => setAsked(true)}>Release</button>`;
  return html`
    <form class="inline" onSubmit=${(event) => { event.preventDefault(); release({ id: hold.id, reason: event.target.reason.value }); }}>
      <input name="reason" aria-label="Why it is released" placeholder="Why?" required /><button class="danger" disabled=${busy}>Release</button>
    </form>`;
};

const TONES = { pending: "waiting", running: "running", done: "success", failed: "error", expired: "canceled" };
const isOpen = ({ state }) => state === "pending" || state === "running";

export const Restores = () => {
  const restores = useLoaded("/routes/history/restores", { limit: 50 });
  usePolling(restores, (rows) => rows.some(isOpen));
  const [asked, setAsked] = useState(false);
  const [create, creating] = useAction(
    (fields) => ask("POST", "/routes/history/restores", { body: asRestore(fields) }),
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
      <${Loaded} of=${restores}>${(rows, { more }) => html`<${Table} caption="Restores" rows=${rows} more=${more} columns=${RESTORES} empty="Nothing was brought back." />`}<//>
    <//>`;
};

/** Days of the viewer's zone as moments. */
const asRestore = ({ first_at, last_at, days }) => ({
  first_at: new Date(`${first_at}T00:00`).toISOString(),
  last_at: new Date(`${last_at}T00:00`).toISOString(),
  days: Number(days),
});

const RESTORES = [
  { title: "State", cell: ({ state }) => html`<${Badge} tone=${TONES[state]}>${state}<//>` },
  { title: "Executions from", cell: ({ first_at, last_at }) => html`${date(first_at)} to before ${date(last_at)}` },
  { title: "Rows", cell: ({ rows_done, rows_total }) => html`<${Progress} done=${rows_done} total=${rows_total} label="Rows brought back" /> ${number(rows_done)} of ${number(rows_total)}` },
  { title: "Hot until", cell: ({ expires_at, error }) => error ?? moment(expires_at) },
  { title: "Asked for", extra: true, cell: ({ created_at, created_by }) => html`${moment(created_at)} <small>by ${created_by}</small>` },
];
