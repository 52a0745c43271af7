/* API keys of the tenant. What is secret of a new one is shown once. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { moment, number } from "../format.js";
import { useAction, useLoaded } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Failure, Field, Form, Loaded, Sure, View } from "../ui.js";

const SCOPES = [
  "events:write", "executions:read", "executions:write", "workflows:read", "workflows:write", "knowledge:read",
  "knowledge:write", "webchat:read", "webchat:write", "preferences:read", "preferences:write", "tenant:read",
];
const GRACE_SECONDS = 86_400;

export const Keys = () => {
  const keys = useLoaded("/routes/api-keys", { limit: 50 });
  const [asked, setAsked] = useState(false);
  const [shown, setShown] = useState(null);
  const show = ({ data }) => { setShown(data); setAsked(false); keys.again(); };
  const [create, creating] = useAction((body) => ask("POST", "/routes/api-keys", { body }), show);
  const [rotate, rotating] = useAction((id) => ask("POST", `/routes/api-keys/${id}/rotate`, { body: { grace_seconds: GRACE_SECONDS } }), show);
  const [revoke, revoking] = useAction((id) => ask("DELETE", `/routes/api-keys/${id}`), keys.again);
  const problem = rotating.problem ?? revoking.problem;
  const aside = html`<button type="button" onClick=${() => setAsked(!asked)} aria-expanded=${asked}>New key</button>`;
  return html`
    <${View} title="API keys" about="What machines sign in with. A key is of this tenant, and may do what its scopes say.">
      ${shown && html`<${Secret} of=${shown} done=${() => setShown(null)} />`}
      <${Card} title="Keys" aside=${aside}>
        ${asked && html`<${NewKey} send=${create} state=${creating} />`}
        ${problem && html`<${Failure} problem=${problem} />`}
        <${Loaded} of=${keys}>${(rows, { more }) => html`<${Table} caption="API keys" rows=${rows} more=${more} columns=${columns(rotate, revoke)} empty="There is no key yet. n8n needs one to report its executions." />`}<//>
      <//>
    <//>`;
};

const NewKey = ({ send, state }) => {
  const given = ({ name }, form) => send({ name, scopes: [...new FormData(form).getAll("scopes")] });
  return html`
    <${Form} send=${given} state=${state} submit="Create">
      <${Field} label="Name" name="name" required maxlength="100" />
      <fieldset><legend>Scopes</legend>${SCOPES.map((scope) => html`<label><input type="checkbox" name="scopes" value=${scope} /> ${scope}</label>`)}</fieldset>
    <//>`;
};

const Secret = ({ of, done }) => html`
  <${Card} title=${`The key ${of.name}`} aside=${html`<button type="button" onClick=${done}>I have kept it</button>`}>
    <p>Keep these now: they are shown here and nowhere else.</p>
    <dl class="secrets"><dt>Token</dt><dd><code>${of.token}</code></dd><dt>Signing secret</dt><dd><code>${of.signing_secret}</code></dd></dl>
  <//>`;

const stateOf = ({ revoked_at, expires_at, replaced_by }) => {
  if (revoked_at) return ["revoked", "canceled"];
  if (expires_at && new Date(expires_at) < new Date()) return ["expired", "canceled"];
  return replaced_by ? ["replaced", "waiting"] : ["in use", "success"];
};

const columns = (rotate, revoke) => [
  { title: "Name", cell: ({ name }) => name },
  { title: "State", cell: (key) => html`<${Badge} tone=${stateOf(key)[1]}>${stateOf(key)[0]}<//>` },
  { title: "Scopes", extra: true, cell: ({ scopes }) => scopes.join(", ") },
  { title: "A minute", numeric: true, extra: true, cell: ({ rate_limit_per_minute }) => number(rate_limit_per_minute) },
  { title: "Last used", cell: ({ last_used_at }) => (last_used_at ? moment(last_used_at) : "never") },
  { title: "Ends", extra: true, cell: ({ expires_at }) => moment(expires_at) },
  { cell: ({ id, revoked_at, replaced_by }) => !revoked_at && html`
      ${!replaced_by && html`<button type="button" class="quiet" onClick=${() => rotate(id)}>Rotate</button>`}
      <${Sure} label="Revoke" question="At once and for good?" act=${() => revoke(id)} />` },
];
