/* All tenants, for those who run the platform. */

import { html } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { date, number } from "../format.js";
import { setQuery, useAction, useLoaded } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Choice, Failure, Loaded, Sure, View } from "../ui.js";

const TONES = { active: "success", suspended: "waiting", inactive: "canceled" };
const STATES = [["", "Not deleted"], ["true", "Deleted"]];

export const Tenants = ({ query: { deleted } }) => {
  const tenants = useLoaded("/routes/tenants", { deleted, limit: 250 });
  const [change, state] = useAction((action, tenant_id) => ask("POST", `/routes/${action}`, { body: { tenant_id } }), tenants.again);
  const aside = html`<${Choice} label="State" value=${deleted} options=${STATES} onChange=${(value) => setQuery({ deleted: value })} />`;
  return html`
    <${View} title="Tenants" about="Of the whole platform." aside=${aside}>
      <${Card}>
        ${state.problem && html`<${Failure} problem=${state.problem} />`}
        <${Loaded} of=${tenants}>${(rows, { more }) => html`<${Table} caption="Tenants" rows=${rows} more=${more} columns=${columns(change)} empty="There is no such tenant." />`}<//>
      <//>
    <//>`;
};

const columns = (change) => [
  { title: "Tenant", cell: ({ slug, name, deleted_at }) => (deleted_at ? name : html`<a href=${`/console/t/${slug}/overview`}>${name}</a>`) },
  { title: "Slug", extra: true, cell: ({ slug }) => html`<code>${slug}</code>` },
  { title: "State", cell: ({ status, deleted_at }) => html`<${Badge} tone=${deleted_at ? "error" : TONES[status]}>${deleted_at ? "deleted" : status}<//>` },
  { title: "Hot days", numeric: true, cell: ({ hot_ttl_days }) => number(hot_ttl_days) },
  { title: "Since", extra: true, cell: ({ created_at }) => date(created_at) },
  { cell: ({ id, status, deleted_at }) => html`<${Sure} ...${stepOf(status, deleted_at)} act=${() => change(stepOf(status, deleted_at).action, id)} />` },
];

/** What a super admin may do next with a tenant. */
const stepOf = (status, deletedAt) => {
  if (deletedAt) return { action: "undelete", label: "Undelete", question: "Bring it back?" };
  if (status === "suspended") return { action: "reactivate", label: "Reactivate", question: "Let it write again?" };
  return { action: "suspend", label: "Suspend", question: "Nobody can write there then." };
};
