/* What ran, how it went, and what needs attention. */

import { html } from "../vendor/htm-preact.js";
import { duration, moment, number, percent, plural } from "../format.js";
import { useLoaded } from "../hooks.js";
import { byWorkflow, failures, worstFirst } from "../measures.js";
import { RunsChart } from "../parts/runs.js";
import { PeriodChoice, usePeriod, useWorkflowPeriod } from "../period.js";
import { Card, Empty, Figure, Figures, Loaded, View } from "../ui.js";
import { ExecutionTable } from "./executions.js";

export const Overview = ({ tenant, base }) => {
  const runs = useLoaded("/routes/analytics/executions", usePeriod());
  const failed = useLoaded("/routes/history/workflow-executions", { status: "error", limit: 5 });
  return html`
    <${View} title="Overview" about=${tenant.name} aside=${html`<${PeriodChoice} />`}>
      <${Loaded} of=${runs}>${(found) => html`<${Runs} found=${found} base=${base} />`}<//>
      <div class="columns">
        <${Card} title="Last failures" aside=${html`<a href=${`${base}/failures`}>All failures</a>`}>
          <${Loaded} of=${failed}>${(rows) => html`<${ExecutionTable} rows=${rows} base=${base} short empty="Nothing has failed." />`}<//>
        <//>
        <${Attention} tenant=${tenant} base=${base} />
      </div>
    <//>`;
};

const Runs = ({ found, base }) => {
  const { totals, as_of } = found;
  if (!totals.total) return html`<${Card}><${Empty}>Nothing ran in this time. <a href=${`${base}/executions`}>Look at all executions</a>, or choose a longer period.<//><//>`;
  return html`
    <${Totals} totals=${totals} />
    <${Card} title="Executions over time" aside=${html`<span class="note">counted as of ${moment(as_of)}</span>`}><${RunsChart} found=${found} /><//>`;
};

export const Totals = ({ totals }) => html`
  <${Figures}>
    <${Figure} name="Executions" value=${number(totals.total)} note=${totals.running + totals.waiting > 0 && `${number(totals.running)} running, ${number(totals.waiting)} waiting`} />
    <${Figure} name="Success rate" value=${percent(totals.success_rate)} note=${totals.recovered > 0 && `${plural(totals.recovered, "failure")} recovered by a retry`} />
    <${Figure} name="Failures" value=${number(failures(totals))} tone=${failures(totals) > 0 ? "bad" : ""} note=${totals.crashed > 0 && `${number(totals.crashed)} of them crashed`} />
    <${Figure} name="95 of 100 end within" value=${duration(totals.p95_seconds)} note=${`half within ${duration(totals.p50_seconds)}`} />
    ${totals.time_saved_minutes > 0 && html`<${Figure} name="Time saved" value=${duration(totals.time_saved_minutes * 60)} />`}
  <//>`;

const FEW = 5;

const Attention = ({ tenant, base }) => {
  const grouped = useLoaded("/routes/analytics/executions", { ...useWorkflowPeriod(), group_by: "workflow" });
  const workflows = useLoaded("/routes/workflows", { limit: 250 });
  const letters = useLoaded(`/routes/knowledge/${tenant.slug}/dead-letters`, { limit: 250 });
  const all = [grouped, workflows, letters];
  const unfinished = all.find(({ status }) => status === "failed") ?? all.find(({ status }) => status === "loading");
  return html`
    <${Card} title="What needs attention">
      ${unfinished ? html`<${Loaded} of=${unfinished} />` : html`<${Things} things=${[...failing(grouped.data, workflows.data, base), ...unread(letters.data, base)]} />`}
    <//>`;
};

const Things = ({ things }) =>
  things.length
    ? html`<ul class="things">${things.map(({ href, what, why }) => html`<li><a href=${href}>${what}</a><span>${why}</span></li>`)}</ul>`
    : html`<${Empty}>Nothing: no workflow fails, and every document is embedded.<//>`;

const failing = ({ series }, workflows, base) =>
  worstFirst(byWorkflow(series)).filter(({ failed }) => failed).slice(0, FEW).map(({ id, total, failed }) => ({
    href: `${base}/workflow/${id}`,
    what: workflows.find((each) => each.id === id)?.name ?? "A deleted workflow",
    why: `${number(failed)} of ${plural(total, "run")} failed`,
  }));

const unread = (letters, base) =>
  letters.length ? [{ href: `${base}/knowledge`, what: "Knowledge", why: `${plural(letters.length, "document")} could not be embedded` }] : [];
