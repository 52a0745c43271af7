/* Knowledge bases, a search over all of them, and what could not be embedded. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { moment, number } from "../format.js";
import { go, useAction, useLoaded } from "../hooks.js";
import { Evaluate, Search } from "../parts/search.js";
import { Table } from "../table.js";
import { Card, Field, Form, Loaded, View } from "../ui.js";

export const Knowledge = ({ tenant, base }) => {
  const bases = useLoaded("/routes/knowledge-bases", { limit: 250 });
  const letters = useLoaded(`/routes/knowledge/${tenant.slug}/dead-letters`, { limit: 50 });
  const [asked, setAsked] = useState(false);
  const [create, creating] = useAction(
    ({ name, description }) => ask("POST", "/routes/knowledge-bases", { body: { name, description: description || null } }),
    ({ data }) => go(`${base}/base/${data.id}`),
  );
  const aside = html`<button type="button" onClick=${() => setAsked(!asked)} aria-expanded=${asked}>New base</button>`;
  return html`
    <${View} title="Knowledge" about="Documents, and the passages of them that answer a question.">
      <${Search} tenant=${tenant} base=${base} />
      <${Card} title="Bases" aside=${aside}>
        ${asked && html`
          <${Form} send=${create} state=${creating} submit="Create">
            <${Field} label="Name" name="name" required maxlength="255" /><${Field} label="Description" name="description" />
          <//>`}
        <${Loaded} of=${bases}>${(rows, { more }) => html`<${Table} caption="Knowledge bases" rows=${rows} more=${more} columns=${columns(base)} empty="There is no knowledge base yet. Create one, then upload files." />`}<//>
      <//>
      <${Evaluate} tenant=${tenant} />
      <${Card} title="Not embedded"><${Loaded} of=${letters}>${(rows) => html`<${DeadLetters} rows=${rows} slug=${tenant.slug} again=${letters.again} />`}<//><//>
    <//>`;
};

const columns = (base) => [
  { title: "Name", cell: ({ id, name }) => html`<a href=${`${base}/base/${id}`}>${name}</a>` },
  { title: "Documents", numeric: true, cell: ({ document_count }) => number(document_count) },
  { title: "Passages", numeric: true, cell: ({ total_chunks }) => number(total_chunks) },
  { title: "Changed", extra: true, cell: ({ last_updated, created_at }) => moment(last_updated ?? created_at) },
];

const DeadLetters = ({ rows, slug, again }) => {
  const [retry, retrying] = useAction((id) => ask("POST", `/routes/knowledge/${slug}/dead-letters/${id}/retry`), again);
  return html`<${Table} caption="Documents that could not be embedded" rows=${rows} empty="Every document is embedded, or waits for its turn." columns=${[
    { title: "Document", cell: ({ document_name }) => document_name },
    { title: "Why", cell: ({ reason }) => reason },
    { title: "Attempts", numeric: true, cell: ({ attempts }) => number(attempts) },
    { cell: ({ id }) => html`<button type="button" disabled=${retrying.busy} onClick=${() => retry(id)}>Try again</button>` },
  ]} />`;
};
