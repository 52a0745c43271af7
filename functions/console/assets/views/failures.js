/* What failed: by message, by node of a workflow, and one by one. */

import { html } from "../vendor/htm-preact.js";
import { setQuery, useLoaded } from "../hooks.js";
import { Messages, Nodes } from "../parts/failures.js";
import { PeriodChoice, rangeOf, usePeriod } from "../period.js";
import { Card, Choice, Empty, Loaded, View } from "../ui.js";
import { ExecutionTable } from "./executions.js";

const KINDS = [["error", "Failed"], ["crashed", "Crashed"]];

export const Failures = ({ base, query: { status = "error", workflow_id } }) => {
  const range = rangeOf(usePeriod());
  const workflows = useLoaded("/routes/workflows", { limit: 250 });
  const errors = useLoaded("/routes/analytics/errors", { ...range, workflow_id });
  const names = new Map((workflows.data ?? []).map(({ id, name }) => [id, name]));
  const aside = html`
    <${Choice} label="Workflow" value=${workflow_id} options=${[["", "Any workflow"], ...names]} onChange=${(value) => setQuery({ workflow_id: value })} />
    <${PeriodChoice} />`;
  return html`
    <${View} title="Failures" about="By message, by node, and one by one." aside=${aside}>
      <${Card} title="By message"><${Loaded} of=${errors}>${(found) => html`<${Messages} found=${found} base=${base} names=${names} />`}<//><//>
      ${errors.status === "ready" && html`<${ByNode} of=${workflow_id ?? errors.data.errors[0]?.workflows[0]} names=${names} range=${range} base=${base} />`}
      <${OneByOne} base=${base} names=${names} status=${status} workflow_id=${workflow_id} />
    <//>`;
};

/** Of one workflow: the chosen one, or one of those that most failures are of. */
const ByNode = ({ of, names, range, base }) => {
  const nodes = useLoaded(of && "/routes/analytics/nodes", { ...range, workflow_id: of });
  const aside = of && html`<a href=${`${base}/workflow/${of}`}>${names.get(of) ?? "The workflow"}</a>`;
  return html`
    <${Card} title="By node" aside=${aside}>
      ${of ? html`<${Loaded} of=${nodes}>${(found) => html`<${Nodes} found=${found} />`}<//>` : html`<${Empty}>Nothing failed in this time.<//>`}
    <//>`;
};

const OneByOne = ({ base, names, status, workflow_id }) => {
  const loaded = useLoaded("/routes/history/workflow-executions", { status, workflow_id, limit: 50 });
  const aside = html`<div class="aside"><${Choice} label="Kind" value=${status} options=${KINDS} onChange=${(value) => setQuery({ status: value })} /></div>`;
  return html`
    <${Card} title="One by one, hot and archived" aside=${aside}>
      <${Loaded} of=${loaded}>${(rows, { more }) => html`<${ExecutionTable} rows=${rows} more=${more} base=${base} names=${names} failed empty="Nothing has failed." />`}<//>
    <//>`;
};
