/* What ran, how it went, and what needs attention. */

import { html } from "../vendor/htm-preact.js";
import { ago, duration, moment, number, percent, plural } from "../format.js";
import { useLoaded } from "../hooks.js";
import { failures } from "../measures.js";
import { Messages } from "../parts/failures.js";
import { InstanceChoice, Outcomes, RunsChart } from "../parts/runs.js";
import { PeriodChoice, rangeOf, usePeriod, useWorkflowPeriod } from "../period.js";
import { Card, Empty, Figure, Figures, Loaded, View } from "../ui.js";

const FEW = 5;

export const Overview = ({ tenant, base, query: { instance } }) => {
  const [own, ofWorkflows] = [usePeriod(), useWorkflowPeriod()];
  const period = instance ? ofWorkflows : own;
  const runs = useLoaded("/routes/analytics/executions", { ...period, instance });
  const errors = useLoaded("/routes/analytics/errors", { ...rangeOf(period), instance, limit: FEW });
  return html`
    <${View} title="Overview" about=${tenant.name} aside=${html`<${InstanceChoice} value=${instance} /><${PeriodChoice} />`}>
      <${Loaded} of=${runs}>${(found) => html`<${Runs} found=${found} base=${base} />`}<//>
      <div class="columns">
        <${Card} title="Failures by message" aside=${html`<a href=${`${base}/failures`}>All failures</a>`}>
          <${Loaded} of=${errors}>${(found) => html`<${Messages} found=${found} base=${base} short />`}<//>
        <//>
        <${Attention} tenant=${tenant} base=${base} />
      </div>
    <//>`;
};

const Runs = ({ found, base }) => {
  const { totals, as_of, time_zone } = found;
  if (!totals.total) return html`<${Card}><${Empty}>Nothing ran in this time. <a href=${`${base}/executions`}>Look at all executions</a>, or choose a longer period.<//><//>`;
  return html`
    <${Totals} totals=${totals} />
    <${Card} title="Executions over time" aside=${html`<span class="note">${time_zone}, counted as of ${moment(as_of)}</span>`}><${RunsChart} found=${found} /><//>
    <${Outcomes} found=${found} />`;
};

export const Totals = ({ totals }) => html`
  <${Figures}>
    <${Figure} name="Executions" value=${number(totals.total)} note=${totals.running + totals.waiting > 0 && `${number(totals.running)} running, ${number(totals.waiting)} waiting`} />
    <${Figure} name="Success rate" value=${percent(totals.success_rate)} note=${totals.recovered > 0 && `${plural(totals.recovered, "failure")} recovered by a retry`} />
    <${Figure} name="Failures" value=${number(failures(totals))} tone=${failures(totals) > 0 ? "bad" : ""} note=${totals.crashed > 0 && `${number(totals.crashed)} of them crashed`} />
    <${Figure} name="95 of 100 end within" value=${duration(totals.p95_seconds)} note=${`half within ${duration(totals.p50_seconds)}`} />
    ${totals.time_saved_minutes > 0 && html`<${Figure} name="Time saved" value=${duration(totals.time_saved_minutes * 60)} />`}
  <//>`;

const Attention = ({ tenant, base }) => {
  const alerts = useLoaded("/routes/alerts", { limit: 100 });
  const ranking = useLoaded("/routes/analytics/workflows", { ...rangeOf(useWorkflowPeriod()), sort: "failures", limit: FEW });
  const letters = useLoaded(`/routes/knowledge/${tenant.slug}/dead-letters`, { limit: 250 });
  const all = [alerts, ranking, letters];
  const unfinished = all.find(({ status }) => status === "failed") ?? all.find(({ status }) => status === "loading");
  return html`
    <${Card} title="What needs attention">
      ${unfinished ? html`<${Loaded} of=${unfinished} />` : html`
        <${Things} things=${[...firing(alerts.data, base), ...failing(ranking.data, base), ...unread(letters.data, base)]} />`}
    <//>`;
};

const Things = ({ things }) =>
  things.length
    ? html`<ul class="things">${things.map(({ href, what, why }) => html`<li><a href=${href}>${what}</a><span>${why}</span></li>`)}</ul>`
    : html`<${Empty}>Nothing: no alert fires, no workflow fails, and every document is embedded.<//>`;

const firing = (alerts, base) =>
  alerts.filter(({ firing_since }) => firing_since).map(({ id, name, firing_since }) => ({
    href: `${base}/alert/${id}`,
    what: name,
    why: `an alert, firing since ${ago(firing_since)}`,
  }));

const failing = ({ workflows }, base) =>
  workflows.filter((each) => failures(each) > each.recovered).map((each) => ({
    href: `${base}/workflow/${each.workflow_id}`,
    what: each.name ?? "A deleted workflow",
    why: `${number(failures(each))} of ${plural(each.total, "run")} failed`,
  }));

const unread = (letters, base) =>
  letters.length ? [{ href: `${base}/knowledge`, what: "Knowledge", why: `${plural(letters.length, "document")} could not be embedded` }] : [];
