/* One execution, drawn node by node: when each ran, for how long, what came out, and what failed. */

import { html } from "../vendor/htm-preact.js";
import { between, duration, moment, plural } from "../format.js";
import { useLoaded } from "../hooks.js";
import { Badge, Card, Empty, Figure, Figures, Loaded, View } from "../ui.js";

const SHOWN = 20_000; // characters of a node's data
const LEAST = 0.8; // per cent of the width, for what took no time

export const Execution = ({ base, id }) => {
  const loaded = useLoaded(`/routes/history/workflow-executions/${id}`);
  const workflow = useLoaded(loaded.data && `/routes/workflows/${loaded.data.workflow_id}`);
  return html`
    <${View} title=${workflow.data ? `Execution of ${workflow.data.name}` : "Execution"} about=${html`<code>${id}</code>`}
      aside=${loaded.data && html`<a href=${`${base}/workflow/${loaded.data.workflow_id}`}>The workflow</a>`}>
      <${Loaded} of=${loaded}>${(run) => html`<${Run} run=${run} />`}<//>
    <//>`;
};

const Run = ({ run }) => html`
  <${Figures}>
    <${Figure} name="Status" value=${html`<${Badge}>${run.status}<//>`} note=${run.mode && `started by ${run.mode}`} />
    <${Figure} name="Started" value=${moment(run.started_at)} />
    <${Figure} name="Took" value=${duration(between(run.started_at, run.finished_at))} note=${!run.finished_at && "has not ended"} />
    <${Figure} name="Kept" value=${run.tier} note=${run.n8n_execution_id && `n8n calls it ${run.n8n_execution_id}`} />
  <//>
  ${run.error_message && html`<${Card} title="Error"><p class="error-message">${run.error_message}</p><${Stack} error=${run.execution_data?.resultData?.error} /><//>`}
  <${Card} title="Nodes"><${Nodes} steps=${stepsOf(run.execution_data?.resultData?.runData ?? {})} /><//>
  ${run.execution_data && html`<${Card} title="All data"><${Data} name="Show" value=${run.execution_data} /><//>`}`;

/** The runs of all nodes in the order in which they ran. */
const stepsOf = (runData) =>
  Object.entries(runData)
    .flatMap(([node, runs]) => runs.map((run, index) => ({ ...run, node, turn: runs.length > 1 ? index + 1 : null })))
    .sort((one, other) => (one.executionIndex ?? one.startTime) - (other.executionIndex ?? other.startTime));

const Nodes = ({ steps }) => {
  if (!steps.length) return html`<${Empty}>This execution was reported without data of its nodes.<//>`;
  const first = Math.min(...steps.map(({ startTime }) => startTime));
  const whole = Math.max(...steps.map(({ startTime, executionTime }) => startTime + executionTime - first), 1);
  return html`<ol class="nodes">${steps.map((step) => html`<${Step} step=${step} first=${first} whole=${whole} />`)}</ol>`;
};

const Step = ({ step, first, whole }) => {
  const left = Math.min(((step.startTime - first) / whole) * 100, 100 - LEAST);
  const width = Math.max((step.executionTime / whole) * 100, LEAST);
  const outputs = Object.values(step.data ?? {}).flat();
  const items = outputs.reduce((sum, branch) => sum + (branch?.length ?? 0), 0);
  return html`
    <li class=${step.error ? "failed" : ""}>
      <div class="step">
        <strong>${step.node}${step.turn && html` <small>run ${step.turn}</small>`}</strong>
        <${Badge}>${step.executionStatus ?? (step.error ? "error" : "success")}<//>
        <span class="note">${came(step.source)}</span>
        <span class="took">${duration(step.executionTime / 1000)}, ${plural(items, "item")}</span>
      </div>
      <svg class="bar" width="100%" height="6" aria-hidden="true"><rect class="track" width="100%" height="6" rx="3" /><rect class=${step.error ? "error" : "success"} x=${`${left}%`} width=${`${Math.min(width, 100 - left)}%`} height="6" rx="3" /></svg>
      ${step.error && html`<p class="error-message">${step.error.message}</p><${Stack} error=${step.error} />`}
      ${items > 0 && html`<${Data} name="What came out" value=${outputs.map((branch) => branch?.map(({ json }) => json) ?? [])} />`}
    </li>`;
};

const came = (source) => {
  const from = (source ?? []).filter(Boolean).map(({ previousNode, previousNodeOutput }) => previousNode + (previousNodeOutput ? `, output ${previousNodeOutput + 1}` : ""));
  return from.length ? `after ${from.join(" and ")}` : "first";
};

const Stack = ({ error }) => error?.stack && html`<details><summary>Stack</summary><pre tabindex="0">${error.stack}</pre></details>`;

const Data = ({ name, value }) => {
  const text = JSON.stringify(value, null, 2);
  return html`<details><summary>${name}</summary><pre tabindex="0">${text.slice(0, SHOWN)}</pre>
    ${text.length > SHOWN && html`<p class="note">The first ${plural(SHOWN, "character")} of ${plural(text.length, "character")}.</p>`}</details>`;
};
