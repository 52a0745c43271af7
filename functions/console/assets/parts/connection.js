/* How an n8n instance is read by its API: address and key, how far that is, and whether the API answers. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { ago, moment, number, plural } from "../format.js";
import { useAction } from "../hooks.js";
import { allowed } from "../roles.js";
import { Table } from "../table.js";
import { Badge, Card, Empty, Failure, Field, Figure, Figures, Form, Sure } from "../ui.js";

export const pathOf = (name) => `/routes/n8n/instances/${encodeURIComponent(name)}`;

const STATES = { reading: ["reading", "running"], up_to_date: ["up to date", "success"], failing: ["failing", "error"] };

export const PullState = ({ of }) => {
  const [word, tone] = STATES[of?.state] ?? ["not read", "canceled"];
  return html`<${Badge} tone=${tone}>${word}<//>`;
};

/** The fields of a connection. The key is shown to nobody, so there is none to begin with. */
export const Secrets = ({ url, needed }) => html`
  <${Field} label="Address of n8n" name="n8n_url" type="url" required maxlength="2000" placeholder="https://n8n.example.com" defaultValue=${url} />
  <${Field} label=${needed ? "API key of n8n" : "API key, where it is another one"} name="api_key" type="password" autocomplete="off" required=${needed} maxlength="2000" />`;

export const Connection = ({ name, pull, role, changed }) => {
  const [asked, setAsked] = useState(false);
  const [reached, setReached] = useState(null);
  const anew = () => { setAsked(false); setReached(null); changed(); };
  const given = ({ n8n_url, api_key }) => ({ n8n_url, ...(api_key && { api_key }) });
  const [connect, connecting] = useAction((fields) => ask("PUT", pathOf(name), { body: given(fields) }), anew);
  const [disconnect, disconnecting] = useAction(() => ask("DELETE", pathOf(name)), anew);
  const [test, testing] = useAction(() => ask("POST", `${pathOf(name)}/test`), ({ data }) => setReached(data));
  const problem = disconnecting.problem ?? testing.problem;
  const aside = allowed(role, "admin") && html`
    <div class="aside">
      ${pull && html`<button type="button" disabled=${testing.busy} onClick=${test}>${testing.busy ? "Asking n8n …" : "Test"}</button>`}
      <button type="button" onClick=${() => setAsked(!asked)} aria-expanded=${asked}>${pull ? "Change" : "Read it"}</button>
      ${pull && html`<${Sure} label="Stop reading" question="Address and key are deleted." act=${disconnect} />`}
    </div>`;
  return html`
    <${Card} title="Read by its API" aside=${aside}>
      ${asked && html`<${Form} send=${connect} state=${connecting} submit="Keep"><${Secrets} url=${pull?.n8n_url} needed=${!pull} /><//>`}
      ${problem && html`<${Failure} problem=${problem} />`}
      <div aria-live="polite">${reached && html`<${Reached} ...${reached} />`}</div>
      ${pull ? html`<${Pull} ...${pull} />` : html`<${Empty}>The platform does not read this instance: it knows what n8n reports.<//>`}
    <//>`;
};

const Pull = ({ n8n_url, key_changed_at, pulled_at, next_pull_at, failures, error, open, ...pull }) => html`
  <${Figures}>
    <${Figure} name="State" value=${html`<${PullState} of=${pull} />`} note=${failures > 0 && `${plural(failures, "failure")}, one after the other`} />
    <${Figure} name="All was read" value=${pulled_at ? ago(pulled_at) : "not yet"} note=${pulled_at && moment(pulled_at)} />
    <${Figure} name="Goes on" value=${new Date(next_pull_at) > new Date() ? ago(next_pull_at) : "now"} note=${moment(next_pull_at)} />
    <${Figure} name="Asked for by their ids" value=${number(open)} note="not ended, or not in n8n's list" />
  <//>
  ${error && html`<p class="error-message">${error}</p>`}
  <p class="note">${n8n_url}, with a key of ${moment(key_changed_at)}.</p>`;

const Reached = ({ works, version, executions, workflows }) => html`
  <p><${Badge} tone=${works ? "success" : "error"}>${works ? "n8n answers" : "it cannot be read"}<//> ${version ? `n8n ${version}` : "n8n does not tell its version"}</p>
  <${Table} caption="What the key may do" rows=${[{ what: "Executions", ...executions }, { what: "Workflows and their names", ...workflows }]} columns=${RIGHTS} />`;

const RIGHTS = [
  { title: "To read", cell: ({ what }) => what },
  { title: "May it?", cell: ({ granted, reason }) => html`<${Badge} tone=${granted ? "success" : "error"}>${granted ? "yes" : reason.replaceAll("_", " ")}<//>` },
  { title: "What n8n says", cell: ({ detail }) => detail },
];
