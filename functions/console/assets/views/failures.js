/* What failed, newest first, with what was said of it. */

import { html } from "../vendor/htm-preact.js";
import { setQuery, useLoaded } from "../hooks.js";
import { Card, Choice, Loaded, View } from "../ui.js";
import { ExecutionTable } from "./executions.js";

const KINDS = [["error", "Failed"], ["crashed", "Crashed"]];

export const Failures = ({ base, query: { status = "error" } }) => {
  const workflows = useLoaded("/routes/workflows", { limit: 250 });
  const loaded = useLoaded("/routes/history/workflow-executions", { status, limit: 50 });
  const names = new Map((workflows.data ?? []).map(({ id, name }) => [id, name]));
  const aside = html`<${Choice} label="Kind" value=${status} options=${KINDS} onChange=${(value) => setQuery({ status: value })} />`;
  return html`
    <${View} title="Failures" about="Hot and archived, newest first." aside=${aside}>
      <${Card}><${Loaded} of=${loaded}>${(rows, { more }) => html`<${ExecutionTable} rows=${rows} more=${more} base=${base} names=${names} failed empty="Nothing has failed." />`}<//><//>
    <//>`;
};
