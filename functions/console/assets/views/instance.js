/* One n8n instance: what it has reported, how it is read and how far that is, and which runs never arrived. */

import { html } from "../vendor/htm-preact.js";
import { ago, moment, number, plural } from "../format.js";
import { useLoaded, usePolling } from "../hooks.js";
import { Connection, pathOf } from "../parts/connection.js";
import { Gaps } from "../parts/gaps.js";
import { Figure, Figures, Loaded, View } from "../ui.js";

export const Instance = ({ role, base, id, query }) => {
  const instance = useLoaded(pathOf(id));
  usePolling(instance, ({ pull }) => pull?.state === "reading", 10);
  const aside = html`<a href=${`${base}/executions?instance=${encodeURIComponent(id)}`}>Its executions</a>`;
  return html`
    <${View} title=${`n8n instance ${id}`} aside=${aside}>
      <${Loaded} of=${instance}>${(found) => html`
        <${Reported} ...${found} />
        <${Connection} name=${id} pull=${found.pull} role=${role} changed=${instance.again} />
        <${Gaps} name=${id} days=${query.days} />`}<//>
    <//>`;
};

const Reported = ({ first_seen_at, last_seen_at, workflows, executions, epochs }) => html`
  <${Figures}>
    <${Figure} name="Last event" value=${ago(last_seen_at)} note=${`the first ${moment(first_seen_at)}`} />
    <${Figure} name="Workflows" value=${number(workflows)} />
    <${Figure} name="Executions" value=${number(executions)} note="of the last 30 days" />
    <${Figure} name="Its database began anew" value=${epochs.length > 1 ? plural(epochs.length - 1, "time") : "never"} note=${epochs.length > 1 && `last ${moment(epochs.at(-1).since)}`} />
  <//>`;
