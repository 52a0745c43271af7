/* Who changed which row of the tenant, from what, to what. */

import { html } from "../vendor/htm-preact.js";
import { moment, plural } from "../format.js";
import { setQuery, useLoaded } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Field, Form, Loaded } from "../ui.js";

export const TABLES = [
  "tenant_settings", "tenant_memberships", "workflows", "workflow_executions", "webchat_sessions", "user_preferences",
  "alerts", "knowledge_bases", "knowledge_base_models", "documents",
];
const TONES = { insert: "success", update: "running", delete: "error" };

export const Changes = ({ query: { table, action, row_id, actor, since, until } }) => {
  const asked = { table, action, row_id, actor, first_at: momentOf(since), last_at: momentOf(until), limit: 20 };
  const changes = useLoaded("/routes/recovery/audit", asked);
  return html`
    <${Card} title="Who changed what">
      <${Form} send=${setQuery} state=${{}} submit="Show">
        <${Select} label="Table" name="table" value=${table} options=${TABLES} />
        <${Select} label="Action" name="action" value=${action} options=${Object.keys(TONES)} />
        <${Field} label="Row" name="row_id" value=${row_id} placeholder="id" />
        <${Field} label="By" name="actor" value=${actor} placeholder="user:…" />
        <${Field} label="From" name="since" type="datetime-local" step="1" value=${since} />
        <${Field} label="To before" name="until" type="datetime-local" step="1" value=${until} />
      <//>
      <${Loaded} of=${changes}>${(rows, { more }) => html`<${Table} caption="Changes" rows=${rows} more=${more} columns=${COLUMNS} empty="Nobody changed anything like this." />`}<//>
    <//>`;
};

const momentOf = (local) => local && new Date(local).toISOString();

const Select = ({ label, name, value, options }) => html`
  <label class="field"><span>${label}</span>
    <select name=${name}><option value="">any</option>${options.map((each) => html`<option value=${each} selected=${each === value}>${each}</option>`)}</select>
  </label>`;

const goBackBefore = ({ action, row_ids, transaction }) => {
  setQuery(action === "delete" ? { target: "deleted_id", of: row_ids[0] } : { target: "transaction", of: transaction });
  scrollTo(0, 0);
};

const COLUMNS = [
  { title: "When, and by whom", cell: ({ at, actor }) => html`<span class="whole-line">${moment(at)}</span> <small>${actor}</small>` },
  { title: "What", cell: ({ action }) => html`<${Badge} tone=${TONES[action]}>${action}<//>` },
  { title: "Of", cell: ({ table, row_ids }) => html`${table} <small>${row_ids.length > 1 ? plural(row_ids.length, "row") : row_ids[0]}</small>` },
  { cell: (change) => change.tier === "cold" ? html`<small>archived</small>` : change.table !== "tenant_memberships" && html`<button type="button" class="quiet whole-line" onClick=${() => goBackBefore(change)}>Take back</button>` },
  { title: "From and to", cell: ({ before, after }) => html`<${Difference} before=${before} after=${after} />` },
];

/** The columns of a row that differ, and for who opens it from what to what. */
export const Difference = ({ before, after }) => {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  if (!names.length) return null;
  const said = (of, name) => JSON.stringify(of?.[name]) ?? "nothing";
  return html`<details><summary class="clipped">${names.join(", ")}</summary>
    <pre tabindex="0">${names.map((name) => `${name}: ${said(before, name)} → ${said(after, name)}`).join("\n")}</pre></details>`;
};
