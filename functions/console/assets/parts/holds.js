/* Legal holds: what may not be deleted, by whom it was asked, and how it ends. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { moment } from "../format.js";
import { useAction, useLoaded } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Failure, Field, Form, Loaded } from "../ui.js";

export const Holds = () => {
  const holds = useLoaded("/routes/legal-holds", { limit: 50 });
  const [asked, setAsked] = useState(false);
  const [create, creating] = useAction(
    (fields) => ask("POST", "/routes/legal-holds", { body: given(fields) }),
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
const given = ({ scope, of, reason }) => ({ scope, reason, ...(scope === "tenant" ? {} : { [`${scope}_id`]: of }) });

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
