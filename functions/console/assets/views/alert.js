/* One alert: what it has reported, and how that was delivered. */

import { html } from "../vendor/htm-preact.js";
import { moment, plural } from "../format.js";
import { useLoaded } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Loaded, View } from "../ui.js";
import { AlertState, condition, measured } from "./alerts.js";

const TONES = { fired: "error", resolved: "success", delivered: "success", pending: "waiting", failed: "error" };

export const Alert = ({ base, id }) => {
  const alert = useLoaded(`/routes/alerts/${id}`);
  const history = useLoaded(`/routes/alerts/${id}/history`, { limit: 50 });
  const about = alert.data && `Fires ${condition(alert.data)}.`;
  return html`
    <${View} title=${alert.data?.name ?? "Alert"} about=${about} aside=${alert.data && html`<${AlertState} of=${alert.data} />`}>
      ${alert.status === "failed" ? html`<${Loaded} of=${alert} />` : html`
      <${Card} title="What it reported" aside=${html`<a href=${`${base}/alerts`}>All alerts</a>`}>
        <${Loaded} of=${history}>${(rows, { more }) => html`<${Table} caption="What it reported" rows=${rows} more=${more} columns=${COLUMNS} empty="It has not fired in the last 90 days." />`}<//>
      <//>`}
    <//>`;
};

const COLUMNS = [
  { title: "When", cell: ({ occurred_at }) => moment(occurred_at) },
  { title: "What", cell: ({ type, data }) => html`<${Badge} tone=${TONES[type]}>${type}<//>${REASONS[data.reason] && html` <small>${REASONS[data.reason]}</small>`}` },
  { title: "Measured", cell: ({ data }) => measured(data) },
  { title: "Webhook", cell: ({ delivery }) => html`<${Badge} tone=${TONES[delivery]}>${delivery}<//>` },
  { title: "Attempts", extra: true, cell: ({ attempts }) => attempts.length > 0 && html`${plural(attempts.length, "attempt")} <small>${last(attempts)}</small>` },
  { title: "Next attempt", extra: true, cell: ({ next_attempt_at }) => moment(next_attempt_at) },
];

const REASONS = { disabled: "since it was turned off", workflow_deleted: "since its workflow was deleted" };

const last = (attempts) => {
  const { status, error } = attempts.at(-1);
  return status ? `answered ${status}` : error;
};
