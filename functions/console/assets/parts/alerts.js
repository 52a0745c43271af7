/* What an alert says of itself. */

import { html } from "../vendor/htm-preact.js";
import { duration, number, percent, plural } from "../format.js";
import { Badge } from "../ui.js";

const stateOf = ({ enabled, firing_since }) => {
  if (firing_since) return ["firing", "error"];
  return enabled ? ["quiet", "success"] : ["off", "canceled"];
};

export const AlertState = ({ of }) => html`<${Badge} tone=${stateOf(of)[1]}>${stateOf(of)[0]}<//>`;

/** When it fires, in words. */
export const condition = ({ kind, minutes, threshold, min_runs }) => {
  if (kind === "silence") return `when nothing ran for ${duration(minutes * 60)}`;
  const what = kind === "slow" ? `the p95 is over ${duration(threshold)}` : `more than ${percent(threshold)} fail`;
  return `when ${what} in ${duration(minutes * 60)}${min_runs > 1 ? `, of at least ${plural(min_runs, "run")}` : ""}`;
};

/** What was measured when something was reported. */
export const measured = ({ kind, value, runs }) => {
  if (kind === "silence") return plural(runs, "run");
  return `${kind === "slow" ? duration(value) : percent(value)} of ${number(runs)}`;
};
