/* Who belongs to the tenant, and as what. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { date } from "../format.js";
import { useAction, useLoaded } from "../hooks.js";
import { allowed } from "../roles.js";
import { Table } from "../table.js";
import { Badge, Card, Choice, Failure, Field, Form, Loaded, Sure, View } from "../ui.js";

const ROLES = ["member", "admin", "owner"].map((role) => [role, role]);
const TONES = { active: "success", pending: "waiting", inactive: "canceled" };

export const Members = ({ tenant, role, me }) => {
  const path = `/routes/tenants/${tenant.slug}/member`;
  const members = useLoaded(`${path}s`, { limit: 250 });
  const [asked, setAsked] = useState(false);
  const [invite, inviting] = useAction(
    ({ who, role: given }) => ask("POST", `${path}s`, { body: { role: given, [who.includes("@") ? "email" : "user_id"]: who } }),
    () => { setAsked(false); members.again(); },
  );
  const [change, changing] = useAction((user_id, body) => ask("PUT", path, { query: { user_id }, body }), members.again);
  const [remove, removing] = useAction((user_id) => ask("DELETE", path, { query: { user_id } }), members.again);
  const problem = changing.problem ?? removing.problem;
  const administers = allowed(role, "admin");
  const aside = administers && html`<button type="button" onClick=${() => setAsked(!asked)} aria-expanded=${asked}>Invite</button>`;
  return html`
    <${View} title="Members" about=${`Who belongs to ${tenant.name}.`}>
      <${Card} title="People" aside=${aside}>
        ${asked && html`
          <${Form} send=${invite} state=${inviting} submit="Invite">
            <${Field} label="E-mail or id" name="who" required />
            <label class="field"><span>Role</span><select name="role">${ROLES.map(([key]) => html`<option>${key}</option>`)}</select></label>
          <//>`}
        ${problem && html`<${Failure} problem=${problem} />`}
        <${Loaded} of=${members}>${(rows, { more }) => html`<${Table} caption="Members" rows=${rows} more=${more} columns=${columns({ administers, me, change, remove })} empty="Nobody belongs to this tenant." />`}<//>
      <//>
    <//>`;
};

const columns = ({ administers, me, change, remove }) => [
  { title: "Person", cell: ({ user_id }) => html`${user_id}${user_id === me.user_id && html` <small>you</small>`}` },
  { title: "Role", cell: ({ user_id, role }) => administers && user_id !== me.user_id
      ? html`<${Choice} label=${`Role of ${user_id}`} value=${role} options=${ROLES} onChange=${(chosen) => change(user_id, { role: chosen })} />`
      : role },
  { title: "State", cell: ({ status }) => html`<${Badge} tone=${TONES[status]}>${status}<//>` },
  { title: "Since", extra: true, cell: ({ created_at }) => date(created_at) },
  ...(administers ? [{ cell: ({ user_id }) => user_id !== me.user_id && html`<${Sure} label="Remove" question="From the tenant?" act=${() => remove(user_id)} />` }] : []),
];
