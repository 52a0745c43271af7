/* What ran, how it went, and what needs attention. */

import { html } from "../vendor/htm-preact.js";
import { Chart } from "../chart.js";
import { duration, moment, number, percent, plural } from "../format.js";
import { useLoaded } from "../hooks.js";
import { PeriodChoice, named, usePeriod } from "../period.js";
import { COUNTED, SERIES } from "../statuses.js";
import { Card, Empty, Figure, Figures, Loaded, View } from "../ui.js";
import { Messages } from "./failures.js";

export const Overview = ({ tenant, base }) => {
  const period = usePeriod();
  const runs = useLoaded("/routes/analytics/executions", period);
  const { from, to, time_zone } = period;
  const errors = useLoaded("/routes/analytics/errors", { from, to, time_zone });
  return html`
    <${View} title="Overview" about=${tenant.name} aside=${html`<${PeriodChoice} />`}>
      <${Loaded} of=${runs}>${(found) => html`<${Runs} found=${found} base=${base} />`}<//>
      <div class="columns">
        <${Card} title="Failures by message" aside=${html`<a href=${`${base}/failures`}>All failures</a>`}>
          <${Loaded} of=${errors}>${(found) => html`<${Messages} rows=${listed(found).slice(0, 5)} base=${base} short />`}<//>
        <//>
        <${Attention} tenant=${tenant} base=${base} period=${{ from, to, time_zone }} />
      </div>
    <//>`;
};

/** Analytics are answered as a list, or as an object with one in it. */
export const listed = (found) => (Array.isArray(found) ? found : Object.values(found).find(Array.isArray) ?? []);

const Runs = ({ found, base }) => {
  const { totals, series, bucket, as_of } = found;
  if (!totals.total) return html`<${Card}><${Empty}>Nothing ran in this time. <a href=${`${base}/executions`}>Look at all executions</a>, or choose a longer period.<//><//>`;
  return html`
    <${Figures}>
      <${Figure} name="Executions" value=${number(totals.total)} note=${totals.running + totals.waiting > 0 && `${number(totals.running)} running, ${number(totals.waiting)} waiting`} />
      <${Figure} name="Success rate" value=${percent(totals.success_rate)} note=${totals.recovered > 0 && `${plural(totals.recovered, "failure")} recovered by a retry`} />
      <${Figure} name="Failures" value=${number(totals.error + totals.crashed)} tone=${totals.error + totals.crashed > 0 ? "bad" : ""} note=${totals.crashed > 0 && `${number(totals.crashed)} of them crashed`} />
      <${Figure} name="95 of 100 end within" value=${duration(totals.p95_seconds)} note=${`half within ${duration(totals.p50_seconds)}`} />
      ${totals.time_saved_minutes > 0 && html`<${Figure} name="Time saved" value=${duration(totals.time_saved_minutes * 60)} />`}
    <//>
    <${Card} title="Executions over time" aside=${html`<span class="note">counted as of ${moment(as_of)}</span>`}>
      <${Chart} title="Executions by status" series=${SERIES} rows=${series.map((row) => ({ ...named(row.bucket_start, bucket), values: COUNTED.map((status) => row[status] ?? 0) }))} />
    <//>`;
};

const FEW = 3;

const Attention = ({ tenant, base, period }) => {
  const workflows = useLoaded("/routes/analytics/workflows", { ...period, sort: "failures", limit: FEW });
  const letters = useLoaded(`/routes/knowledge/${tenant.slug}/dead-letters`, { limit: 250 });
  const alerts = useLoaded("/routes/alerts");
  const things = [...firing(alerts, base), ...failing(workflows, base), ...unread(letters, base)];
  const open = [alerts, workflows, letters].find(({ status }) => status === "failed");
  const loading = [alerts, workflows, letters].some(({ status }) => status === "loading");
  return html`
    <${Card} title="What needs attention">
      ${open && html`<${Loaded} of=${open} />`}
      ${!open && !things.length && html`<${Empty}>${loading ? "Looking …" : "Nothing: no alert fires, no workflow fails, and every document is embedded."}<//>`}
      <ul class="things">${things.map(({ href, what, why }) => html`<li><a href=${href}>${what}</a><span>${why}</span></li>`)}</ul>
    <//>`;
};

const firing = ({ status, data }, base) =>
  status === "ready" ? listed(data).filter(({ state }) => state === "firing").map(({ name }) => ({ href: `${base}/alerts`, what: name, why: "An alert fires" })) : [];

const failing = ({ status, data }, base) =>
  status === "ready"
    ? listed(data)
        .filter((row) => row.error + row.crashed > 0)
        .map((row) => ({
          href: `${base}/workflow/${row.workflow_id}`,
          what: row.name ?? row.workflow_name,
          why: `${number(row.error + row.crashed)} of ${plural(row.total, "run")} failed`,
        }))
    : [];

const unread = ({ status, data }, base) =>
  status === "ready" && data.length ? [{ href: `${base}/knowledge`, what: "Knowledge", why: `${plural(data.length, "document")} could not be embedded` }] : [];
