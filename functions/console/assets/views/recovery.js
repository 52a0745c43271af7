/* What there is to restore the platform from, and how long that took when it was tried. */

import { html } from "../vendor/htm-preact.js";
import { ago, bytes, duration, moment, number } from "../format.js";
import { useLoaded } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Figure, Figures, Loaded, View } from "../ui.js";

export const Recovery = () => {
  const status = useLoaded("/routes/recovery/status");
  return html`
    <${View} title="Backups and drills" about="Of the whole platform, as it is seen from outside of the job that takes backups.">
      <${Loaded} of=${status}>${(found) => html`<${Problems} ...${found} /><${Backups} ...${found} /><${Drills} ...${found} />`}<//>
    <//>`;
};

const Problems = ({ problems, checked_at }) => html`
  <${Card} title="What is wrong">
    ${problems.length ? html`<ul>${problems.map((problem) => html`<li class="bad">${problem}</li>`)}</ul>` : html`<p><${Badge} tone="success">nothing<//></p>`}
    ${checked_at && html`<p class="note">Looked at ${moment(checked_at)}.</p>`}
  <//>`;

const Backups = ({ newest_backup: newest, backups, oldest_backup_at, restorable_from }) => html`
  <${Card} title="Backups">
    <${Figures}>
      <${Figure} name="Newest backup" value=${newest ? ago(newest.taken_at) : "none"} note=${newest && moment(newest.taken_at)} tone=${newest ? "" : "bad"} />
      ${newest && html`<${Figure} name="Its size" value=${bytes(newest.bytes)} note=${`${number(newest.rows)} rows`} />`}
      <${Figure} name="Backups" value=${number(backups)} note=${oldest_backup_at && `the oldest of ${moment(oldest_backup_at)}`} />
      ${restorable_from && html`<${Figure} name="Every moment since" value=${ago(restorable_from)} note=${`${moment(restorable_from)}, at DigitalOcean`} />`}
    <//>
  <//>`;

const Drills = ({ last_drill: last, last_good_drill: good }) => html`
  <${Card} title="Drills">
    <${Table} caption="The last drill, and the last good one" rows=${[last, good].filter((drill, index) => drill && (index === 0 || drill.started_at !== last.started_at))} columns=${COLUMNS} empty="No drill was made yet, so nobody knows how long a recovery takes." />
  <//>`;

const COLUMNS = [
  { title: "Drill", cell: ({ started_at }) => html`<span class="whole-line">${moment(started_at)}</span>` },
  { title: "Verdict", cell: ({ verdict }) => html`<${Badge} tone=${verdict === "good" ? "success" : "error"}>${verdict}<//>` },
  { title: "To a moment took", numeric: true, cell: (drill) => duration(drill.point_in_time_rto_seconds) },
  { title: "and lacked", numeric: true, extra: true, cell: (drill) => duration(drill.point_in_time_rpo_seconds) },
  { title: "From a backup took", numeric: true, cell: (drill) => duration(drill.backup_rto_seconds) },
  { title: "and lacked", numeric: true, extra: true, cell: (drill) => duration(drill.backup_rpo_seconds) },
  { title: "Problems", extra: true, cell: ({ problems }) => html`<span class="bad">${problems.join("; ")}</span>` },
];
