/* The tenant's n8n instances: when each was heard of last, whether the platform reads it, and what was rejected. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { ago, moment, number } from "../format.js";
import { go, useAction, useLoaded } from "../hooks.js";
import { pathOf, PullState, Secrets } from "../parts/connection.js";
import { Rejected } from "../parts/rejected.js";
import { allowed } from "../roles.js";
import { Table } from "../table.js";
import { Card, Field, Form, Loaded, View } from "../ui.js";

export const Instances = ({ role, base }) => {
  const instances = useLoaded("/routes/n8n/instances");
  const rejected = useLoaded("/routes/n8n/rejected", { limit: 250 });
  const [asked, setAsked] = useState(false);
  const [connect, connecting] = useAction(
    ({ name, ...body }) => ask("PUT", pathOf(name), { body }),
    ({ data }) => go(`${base}/instance/${data.name}`),
  );
  const aside = allowed(role, "admin") && html`<button type="button" onClick=${() => setAsked(!asked)} aria-expanded=${asked}>Read an instance</button>`;
  return html`
    <${View} title="n8n instances" about="Whose executions these are: reported by n8n, or read by the platform every five minutes.">
      <${Card} title="Instances" aside=${aside}>
        ${asked && html`
          <${Form} send=${connect} state=${connecting} submit="Read">
            <${Field} label="Name" name="name" required maxlength="63" pattern="[a-z0-9]([a-z0-9._\\-]*[a-z0-9])?" title="Lower case letters, digits and .-_" placeholder="prod" />
            <${Secrets} needed />
          <//>`}
        <${Loaded} of=${instances}>${(rows) => html`<${Table} caption="n8n instances" rows=${rows} columns=${columns(base, rejected)} empty="No n8n has reported yet, and none is read. A key of API keys lets n8n report." />`}<//>
      <//>
      <${Rejected} of=${rejected} base=${base} />
    <//>`;
};

const columns = (base, rejected) => [
  { title: "Name", cell: ({ name }) => html`<a href=${`${base}/instance/${name}`}>${name}</a>` },
  { title: "Read", cell: ({ pull }) => html`<${PullState} of=${pull} />` },
  { title: "Address", extra: true, cell: ({ pull }) => pull && html`<span class="clipped" title=${pull.n8n_url}>${pull.n8n_url}</span>` },
  { title: "Last event", cell: ({ last_seen_at }) => html`<span class="whole-line" title=${moment(last_seen_at)}>${ago(last_seen_at)}</span>` },
  { title: "First seen", extra: true, cell: ({ first_seen_at }) => html`<span class="whole-line">${moment(first_seen_at)}</span>` },
  { title: "Began anew", numeric: true, extra: true, cell: ({ epochs }) => number(epochs.length - 1) },
  { title: "Rejected", numeric: true, cell: ({ name }) => rejectedOf(name, rejected) },
];

/** Of those that are listed: where there are more, it may be more. */
const rejectedOf = (name, { data, next }) => {
  const count = data?.filter(({ instance }) => instance === name).length;
  return html`<span class=${count ? "bad" : ""}>${number(count)}${next && "+"}</span>`;
};
