/* Alerts of the tenant: what each watches, whether it fires, and a form for a new one. What an alert says of itself. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { ago, duration, number, percent, plural } from "../format.js";
import { useAction, useLoaded } from "../hooks.js";
import { allowed } from "../roles.js";
import { Table } from "../table.js";
import { Badge, Card, Failure, Field, Form, Loaded, Sure, View } from "../ui.js";

export const Alerts = ({ role, base }) => {
  const alerts = useLoaded("/routes/alerts", { limit: 100 });
  const workflows = useLoaded("/routes/workflows", { limit: 250 });
  const [asked, setAsked] = useState(false);
  const [shown, setShown] = useState(null);
  const created = ({ data }) => { setShown(data); setAsked(false); alerts.again(); };
  const [create, creating] = useAction((body) => ask("POST", "/routes/alerts", { body }), created);
  const [change, changing] = useAction((id, body) => ask("PUT", `/routes/alerts/${id}`, { body }), alerts.again);
  const [remove, removing] = useAction((id) => ask("DELETE", `/routes/alerts/${id}`), alerts.again);
  const problem = changing.problem ?? removing.problem;
  const administers = allowed(role, "admin");
  const aside = administers && html`<button type="button" onClick=${() => setAsked(!asked)} aria-expanded=${asked}>New alert</button>`;
  return html`
    <${View} title="Alerts" about="What the tenant is told of by webhook when executions fail, are slow or stay away. Compared every five minutes.">
      ${shown && html`<${Secret} of=${shown} done=${() => setShown(null)} />`}
      <${Card} title="Alerts" aside=${aside}>
        ${asked && html`<${NewAlert} send=${create} state=${creating} workflows=${workflows.data ?? []} />`}
        ${problem && html`<${Failure} problem=${problem} />`}
        <${Loaded} of=${alerts}>${(rows, { more }) => html`<${Table} caption="Alerts" rows=${rows} more=${more} columns=${columns({ administers, base, change, remove, names: namesOf(workflows.data) })} empty="There is no alert yet." />`}<//>
      <//>
    <//>`;
};

const namesOf = (workflows = []) => Object.fromEntries(workflows.map(({ id, name }) => [id, name]));

/** Of the fields of the form, those that the kind takes. */
const given = ({ name, kind, workflow_id, minutes, threshold, min_runs, url }) => ({
  name, kind, url, minutes: Number(minutes), workflow_id: workflow_id || null,
  ...(kind === "silence" ? {} : { threshold: Number(threshold), min_runs: Number(min_runs) }),
});

const KINDS = {
  failure_rate: { title: "too many runs fail", threshold: "Per cent that may fail", minutes: 60 },
  slow: { title: "runs are slow", threshold: "Seconds that the p95 may take", minutes: 60 },
  silence: { title: "nothing runs", minutes: 1500 },
};

const NewAlert = ({ send, state, workflows }) => {
  const [kind, setKind] = useState("failure_rate");
  const { threshold, minutes } = KINDS[kind];
  return html`
    <${Form} send=${(fields) => send(given(fields))} state=${state} submit="Set">
      <${Field} label="Name" name="name" required maxlength="100" />
      <label class="field"><span>When</span>
        <select name="kind" onChange=${({ target }) => setKind(target.value)}>${Object.entries(KINDS).map(([key, { title }]) => html`<option value=${key}>${title}</option>`)}</select>
      </label>
      <label class="field"><span>Of</span>
        <select name="workflow_id"><option value="">all workflows</option>${workflows.map(({ id, name }) => html`<option value=${id}>${name}</option>`)}</select>
      </label>
      <${Field} label="In so many minutes" name="minutes" type="number" required value=${minutes} min=${threshold ? 15 : 60} max=${threshold ? 1440 : 129_600} />
      ${threshold && html`
        <${Field} label=${threshold} name="threshold" type="number" required value="10" min="0" step="any" />
        <${Field} label="With at least so many runs" name="min_runs" type="number" required value="1" min="1" />`}
      <${Field} label="Webhook goes to" name="url" type="url" required maxlength="2000" placeholder="https://" />
    <//>`;
};

const Secret = ({ of, done }) => html`
  <${Card} title=${`The alert ${of.name}`} aside=${html`<button type="button" onClick=${done}>I have kept it</button>`}>
    <p>The receiver verifies webhooks by this secret. It is shown here and nowhere else.</p>
    <dl class="secrets"><dt>Signing secret</dt><dd><code>${of.signing_secret}</code></dd></dl>
  <//>`;

const columns = ({ administers, base, change, remove, names }) => [
  { title: "Name", cell: ({ id, name }) => html`<a href=${`${base}/alert/${id}`}>${name}</a>` },
  { title: "State", cell: (alert) => html`<${AlertState} of=${alert} />${alert.firing_since && html` <small>since ${ago(alert.firing_since)}</small>`}` },
  { title: "Fires", cell: (alert) => condition(alert) },
  { title: "Of", extra: true, cell: ({ workflow_id, instance }) => (workflow_id ? (names[workflow_id] ?? "a workflow") : (instance ?? "all workflows")) },
  { title: "Goes to", extra: true, cell: ({ url }) => new URL(url).host },
  ...(administers ? [{ cell: ({ id, enabled }) => html`
      <button type="button" class="quiet" onClick=${() => change(id, { enabled: !enabled })}>${enabled ? "Turn off" : "Turn on"}</button>
      <${Sure} label="Delete" question="With its history?" act=${() => remove(id)} />` }] : []),
];

const stateOf = ({ enabled, firing_since }) => {
  if (firing_since) return ["firing", "error"];
  return enabled ? ["quiet", "success"] : ["off", "canceled"];
};

export const AlertState = ({ of }) => html`<${Badge} tone=${stateOf(of)[1]}>${stateOf(of)[0]}<//>`;

/** When it fires, in words. */
export const condition = ({ kind, minutes, threshold, min_runs }) => {
  if (kind === "silence") return `when nothing ran for ${duration(minutes * 60)}`;
  const what = kind === "slow" ? `the p95 is over ${duration(threshold)}` : `more than ${percent(threshold)} fail`;
  return `when ${what} in ${duration(minutes * 60)}${min_runs > 1 ? `, of at least ${plural(min_runs, "run")}` : ""}`;
};

/** What was measured when something was reported. */
export const measured = ({ kind, value, runs }) => {
  if (kind === "silence") return plural(runs, "run");
  return `${kind === "slow" ? duration(value) : percent(value)} of ${number(runs)}`;
};
