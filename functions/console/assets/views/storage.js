/* How much is kept where and until when, what tonight's run will do, and what holds, brings back or erases. */

import { html } from "../vendor/htm-preact.js";
import { bytes, date, moment, number, plural } from "../format.js";
import { useLoaded } from "../hooks.js";
import { allowed } from "../roles.js";
import { Table } from "../table.js";
import { Card, Figure, Figures, Loaded, View } from "../ui.js";
import { Erasures } from "../parts/erasures.js";
import { Kept, LimitChoice } from "../parts/kept.js";
import { Holds, Restores } from "../parts/kept_longer.js";

const ARCHIVE_HOUR = 2; // UTC, when the first run of a night begins

const nextRun = () => {
  const at = new Date();
  at.setUTCHours(ARCHIVE_HOUR, 0, 0, 0);
  if (at < new Date()) at.setUTCDate(at.getUTCDate() + 1);
  return at.toISOString();
};

export const Storage = ({ tenant, role, query: { limit_bytes } }) => {
  const kept = useLoaded("/routes/analytics/storage", { limit_bytes });
  const tonight = useLoaded("/routes/history/preview", { at: nextRun() });
  const policies = useLoaded(`/routes/tenants/${tenant.slug}/policies`);
  const archive = useLoaded("/routes/history/statistics");
  return html`
    <${View} title="Storage" about="Executions are hot, then archived, then gone, as the tenant's policies say." aside=${html`<${LimitChoice} value=${limit_bytes} />`}>
      <${Card} title="What is kept"><${Loaded} of=${kept}>${(found) => html`<${Kept} found=${found} />`}<//><//>
      <div class="columns">
        <${Card} title="Tonight's run"><${Loaded} of=${tonight}>${(found) => html`<${Tonight} found=${found} />`}<//><//>
        <${Card} title="Policies"><${Loaded} of=${policies}>${(found) => html`<${Policies} found=${found} />`}<//><//>
      </div>
      <${Card} title="Archive"><${Loaded} of=${archive}>${(rows) => html`<${Table} caption="Archive" rows=${rows} columns=${ARCHIVE} empty="Nothing is archived yet." />`}<//><//>
      <${Holds} />
      <${Restores} />
      ${allowed(role, "owner") && html`<${Erasures} path=${`/routes/tenants/${tenant.slug}/erasures`} slug=${tenant.slug} />`}
    <//>`;
};

const Tonight = ({ found: { at, workflow_executions, webchat_sessions, kept, changing_class, early } }) => html`
  <p class="note">What the run of ${moment(at)} would do with the rows of now.</p>
  <${Figures}>
    <${Figure} name="Executions to the archive" value=${number(workflow_executions.rows)} note=${`${bytes(workflow_executions.bytes)}, ${number(early.rows)} early`} />
    <${Figure} name="Chats to the archive" value=${number(webchat_sessions.rows)} note=${bytes(webchat_sessions.bytes)} />
    <${Figure} name="Stay although past their time" value=${number(kept.unfinished + kept.held + kept.by_policy)} note=${`${number(kept.unfinished)} unfinished, ${number(kept.held)} held, ${number(kept.by_policy)} kept`} />
    <${Figure} name="Move to another retention class" value=${number(changing_class)} />
  <//>`;

const Policies = ({ found: { hot_ttl_days, cold_ttl_days, rate_limit_per_minute, keep } }) => html`
  <${Figures}>
    <${Figure} name="Executions are hot for" value=${plural(hot_ttl_days, "day")} note=${keep && `successes for ${number(keep.success_days)}, failures for ${number(keep.error_days)}, the last ${number(keep.last_per_workflow)} of each workflow`} />
    <${Figure} name="Archived ones are kept for" value=${cold_ttl_days ? plural(cold_ttl_days, "day") : "ever"} />
    <${Figure} name="Requests a minute" value=${number(rate_limit_per_minute)} />
  <//>`;

const NAMES = { workflow_executions: "Executions", webchat_sessions: "Chats" };

const ARCHIVE = [
  { title: "What", cell: ({ source }) => NAMES[source] },
  { title: "Rows", numeric: true, cell: ({ rows }) => number(rows) },
  { title: "Files", numeric: true, cell: ({ files }) => number(files) },
  { title: "Stored", numeric: true, cell: (row) => bytes(row.file_bytes) },
  { title: "As rows", numeric: true, extra: true, cell: (row) => bytes(row.bytes) },
  { title: "From", cell: ({ first_at }) => date(first_at) },
  { title: "To", cell: ({ last_at }) => date(last_at) },
];
