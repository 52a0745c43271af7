/* How the tenant was before: going back to it, after a look at what that would do, and who changed what. */

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { moment, number, plural } from "../format.js";
import { useAction, useLoaded, usePolling } from "../hooks.js";
import { Changes, Difference, TABLES } from "../parts/changes.js";
import { allowed } from "../roles.js";
import { Table } from "../table.js";
import { Badge, Card, Failure, Field, Form, Loaded, Sure, View } from "../ui.js";

const RECOVERED = TABLES.filter((table) => table !== "tenant_memberships");
const TARGETS = { at: "To a moment", transaction: "Before a transaction", deleted_id: "Before something was deleted" };
const WRITTEN = ["insert", "update", "delete"];
const LEFT = {
  held: "under a legal hold", archived: "archived, and listed there", orphaned: "without what it belongs to",
  taken: "its unique name is taken", changed_since: "changed by others since",
};
const TONES = { previewed: "canceled", pending: "running", done: "success", failed: "error" };

export const TenantRecovery = ({ tenant, role, query }) => {
  const path = `/routes/recovery/tenants/${tenant.slug}`;
  const recoveries = useLoaded(`${path}/recoveries`, { limit: 20 });
  usePolling(recoveries, (rows) => rows.some(({ state }) => state === "pending"));
  const given = { path, owns: allowed(role, "owner"), again: recoveries.again };
  return html`
    <${View} title="Recovery" about="Back to how it was, of the last 30 days. Nothing changes before a preview is applied, and what was applied can be undone.">
      <${GoBack} ...${given} query=${query} key=${`${query.target} ${query.of}`} />
      <${Card} title="Recoveries"><${Loaded} of=${recoveries}>${(rows, { more }) => html`<${Recoveries} ...${given} rows=${rows} more=${more} />`}<//><//>
      <${Changes} query=${query} />
    <//>`;
};

const GoBack = ({ path, owns, again, query }) => {
  const [target, setTarget] = useState(query.target ?? "at");
  const [preview, previewing] = useAction((body) => ask("POST", `${path}/preview`, { body }), ({ data }) => { setFound(data); again(); });
  const [found, setFound] = useState(null);
  const send = (fields, form) => { setFound(null); preview(wanted(fields, new FormData(form).getAll("tables"))); };
  return html`
    <${Card} title="Go back">
      <${Form} send=${send} state=${previewing} submit="Preview">
        <label class="field"><span>To how it was</span>
          <select name="target" onChange=${(event) => setTarget(event.target.value)}>${Object.entries(TARGETS).map(([key, name]) => html`<option value=${key} selected=${key === target}>${name}</option>`)}</select>
        </label>
        ${target === "at"
          ? html`<${Field} label="Moment" name="of" type="datetime-local" step="1" required />`
          : html`<${Field} label=${target === "transaction" ? "Its number" : "Its id"} name="of" required value=${query.of} />`}
        <${Field} label="Only these rows (ids)" name="row_ids" />
        <${Field} label="Reason" name="reason" maxlength="500" />
        <fieldset><legend>Only these tables</legend>${RECOVERED.map((table) => html`<label><input type="checkbox" name="tables" value=${table} /> ${table}</label>`)}</fieldset>
      <//>
      ${found && html`<${Preview} found=${found} /><${Apply} key=${found.id} path=${path} owns=${owns} found=${found} done=${() => { setFound(null); again(); }} />`}
    <//>`;
};

/** Of the fields of the form, what the API takes. A moment is one of the viewer's zone. */
const wanted = ({ target, of, row_ids, reason }, tables) => ({
  [target]: target === "at" ? new Date(of).toISOString() : of.trim(),
  tables: tables.length ? tables : null,
  row_ids: row_ids.match(/[^\s,]+/g),
  reason: reason || null,
});

const written = (counts) => WRITTEN.reduce((sum, action) => sum + (counts[action] ?? 0), 0);
const canApply = ({ counts, swept_along }) => !swept_along && Object.values(counts).some(written);

const Preview = ({ found }) => {
  const heading = useRef();
  useEffect(() => heading.current.focus(), [found.id]);
  return html`
    <h3 tabindex="-1" ref=${heading}>${targetOf(found)}</h3>
    ${found.at && !found.is_exact && html`<p class="note">Between two restore points: right within the time of a commit.</p>`}
    ${found.swept_along > 0 && html`<p class="bad">${plural(found.swept_along, "row")} of other tables would go along. Name their tables too.</p>`}
    ${found.erasures_since > 0 && html`<p class="note">What ${plural(found.erasures_since, "erasure")} took since then does not come back.</p>`}
    <${Table} caption="What it would write" rows=${Object.entries(found.counts)} columns=${COUNTS} empty="Nothing is otherwise now than it was then." />
    ${found.examples.length > 0 && html`<${Table} caption="Examples" rows=${found.examples} columns=${EXAMPLES} />`}`;
};

const Apply = ({ path, owns, found, done }) => {
  const [apply, applying] = useAction(() => ask("POST", `${path}/apply`, { body: { preview_id: found.id, token: found.token } }), done);
  if (!canApply(found)) return null;
  if (!owns) return html`<p class="note">An owner of the tenant may apply it.</p>`;
  return html`
    <p><${Sure} label="Apply" question="All of it, at once?" act=${apply} /></p>
    ${applying.problem && html`<${Failure} problem=${applying.problem} />`}`;
};

const COUNTS = [
  { title: "Table", cell: ([table]) => table },
  ...["Inserts", "Updates", "Deletes"].map((title, index) => ({ title, numeric: true, cell: ([, counts]) => number(counts[WRITTEN[index]] ?? 0) })),
  { title: "Stays as it is", cell: ([, counts]) => Object.keys(LEFT).filter((key) => counts[key]).map((key) => `${number(counts[key])} ${LEFT[key]}`).join(", ") },
];

const EXAMPLES = [
  { title: "Example", cell: ({ table, id }) => html`${table} <code>${id}</code>` },
  { title: "What", cell: ({ action }) => LEFT[action] ?? action },
  { title: "From now to then", cell: ({ now, then }) => html`<${Difference} before=${now} after=${then} />` },
];

const targetOf = ({ undone_id, at, transaction }) => {
  if (undone_id) return "Undoes another one";
  return at ? `To ${moment(at)}` : `Before transaction ${transaction}`;
};

const Recoveries = ({ path, owns, again, rows, more }) => {
  const [undo, undoing] = useAction((id) => ask("POST", `${path}/recoveries/${id}/undo`), again);
  const undone = new Set(rows.map(({ undone_id }) => undone_id));
  const columns = [
    { title: "State", cell: ({ state }) => html`<${Badge} tone=${TONES[state]}>${state}<//>` },
    { title: "What", cell: (row) => html`${targetOf(row)} <small>${row.reason}</small>` },
    { title: "Rows", numeric: true, cell: ({ counts }) => number(Object.values(counts).reduce((sum, each) => sum + written(each), 0)) },
    { title: "Applied", extra: true, cell: ({ applied_at, applied_by, error }) => error ?? (applied_at && html`${moment(applied_at)} <small>by ${applied_by}</small>`) },
    { title: "Asked for", extra: true, cell: ({ created_at, requested_by }) => html`${moment(created_at)} <small>by ${requested_by}</small>` },
    { cell: ({ id, state }) => owns && state === "done" && !undone.has(id) && html`<${Sure} label="Undo" question="Back to before it?" act=${() => undo(id)} />` },
  ];
  return html`
    ${undoing.problem && html`<${Failure} problem=${undoing.problem} />`}
    <${Table} caption="Recoveries" rows=${rows} more=${more} columns=${columns} empty="Nothing was previewed or recovered in the last days." />`;
};
