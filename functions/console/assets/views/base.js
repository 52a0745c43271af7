/* One knowledge base: its documents, and how they are put in. */

import { html, useEffect } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { moment, number } from "../format.js";
import { useAction, useLoaded, usePolling } from "../hooks.js";
import { Files } from "../parts/files.js";
import { Search } from "../parts/search.js";
import { Table } from "../table.js";
import { Badge, Card, Failure, Loaded, Sure, View } from "../ui.js";

const TONES = { processing: "running", embedded: "success", failed: "error" };

export const Base = ({ tenant, base, id }) => {
  const path = `/routes/knowledge-bases/${id}`;
  const about = useLoaded(path);
  const documents = useLoaded(`${path}/documents`, { limit: 50 });
  const uploads = useLoaded(`${path}/uploads`, { limit: 20 });
  usePolling(documents, (rows) => rows.some(({ status }) => status === "processing"), 2);
  usePolling(uploads, (rows) => rows.some(({ finished_at }) => !finished_at), 2);
  const stored = uploads.data?.filter(({ status }) => status === "stored").length;
  useEffect(() => { if (stored) documents.again(); }, [stored]);
  const [remove, removing] = useAction((name) => ask("DELETE", `${path}/document`, { query: { name } }), documents.again);
  return html`
    <${View} title=${about.data?.name ?? "Knowledge base"} about=${about.data?.description}>
      ${about.status === "failed" ? html`<${Loaded} of=${about} />` : html`
      <${Search} tenant=${tenant} base=${base} knowledgeBase=${id} />
      <${Files} base=${id} uploads=${uploads} done=${() => { documents.again(); uploads.again(); }} />
      <${Card} title="Documents">
        ${removing.problem && html`<${Failure} problem=${removing.problem} />`}
        <${Loaded} of=${documents}>${(rows, { more }) => html`<${Table} caption="Documents" rows=${rows} more=${more} columns=${columns(remove)} empty="No document yet. Upload files." />`}<//>
      <//>`}
    <//>`;
};

const columns = (remove) => [
  { title: "Name", cell: ({ title, name }) => title ?? name },
  { title: "State", cell: ({ status, reason }) => html`<${Badge} tone=${TONES[status]}>${status}<//> <small>${reason}</small>` },
  { title: "Passages", numeric: true, cell: ({ chunk_count }) => number(chunk_count) },
  { title: "Kind", extra: true, cell: ({ content_type }) => content_type },
  { title: "Put in", extra: true, cell: ({ updated_at, created_at }) => moment(updated_at ?? created_at) },
  { cell: ({ name }) => html`<${Sure} label="Delete" question="For good?" act=${() => remove(name)} />` },
];
