/* One knowledge base: its documents, and how they are put in. */

import { html } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { moment, number } from "../format.js";
import { useAction, useLoaded, usePolling } from "../hooks.js";
import { Search } from "../parts/search.js";
import { Table } from "../table.js";
import { Badge, Card, Failure, Loaded, Sure, View } from "../ui.js";

const TONES = { processing: "running", embedded: "success", failed: "error" };

export const Base = ({ tenant, base, id }) => {
  const about = useLoaded(`/routes/knowledge-bases/${id}`);
  const documents = useLoaded(`/routes/knowledge-bases/${id}/documents`, { limit: 50 });
  usePolling(documents, (rows) => rows.some(({ status }) => status === "processing"), 2);
  const [remove, removing] = useAction((name) => ask("DELETE", `/routes/knowledge-bases/${id}/document`, { query: { name } }), documents.again);
  return html`
    <${View} title=${about.data?.name ?? "Knowledge base"} about=${about.data?.description}>
      ${about.status === "failed" ? html`<${Loaded} of=${about} />` : html`
      <${Search} tenant=${tenant} base=${base} knowledgeBase=${id} />
      <${Card} title="Documents" aside=${html`<${Upload} id=${id} done=${documents.again} />`}>
        ${removing.problem && html`<${Failure} problem=${removing.problem} />`}
        <${Loaded} of=${documents}>${(rows, { more }) => html`<${Table} caption="Documents" rows=${rows} more=${more} columns=${columns(remove)} empty="No document yet. Upload text or Markdown." />`}<//>
      <//>`}
    <//>`;
};

const Upload = ({ id, done }) => {
  const [upload, state] = useAction(async (files) => {
    for (const file of files) {
      const content_type = /\.(md|markdown)$/i.test(file.name) ? "markdown" : "text";
      await ask("PUT", `/routes/knowledge-bases/${id}/document`, { query: { name: file.name }, body: { content: await file.text(), content_type } });
    }
  }, done);
  return html`
    <label class="upload">${state.busy ? "Uploading …" : "Upload text or Markdown"}
      <input type="file" accept=".txt,.md,.markdown,text/plain,text/markdown" multiple disabled=${state.busy}
        onChange=${({ target }) => upload([...target.files])} />
    </label>
    ${state.problem && html`<${Failure} problem=${state.problem} />`}`;
};

const columns = (remove) => [
  { title: "Name", cell: ({ title, name }) => title ?? name },
  { title: "State", cell: ({ status, reason }) => html`<${Badge} tone=${TONES[status]}>${status}<//> <small>${reason}</small>` },
  { title: "Passages", numeric: true, cell: ({ chunk_count }) => number(chunk_count) },
  { title: "Kind", extra: true, cell: ({ content_type }) => content_type },
  { title: "Put in", extra: true, cell: ({ updated_at, created_at }) => moment(updated_at ?? created_at) },
  { cell: ({ name }) => html`<${Sure} label="Delete" question="For good?" act=${() => remove(name)} />` },
];
