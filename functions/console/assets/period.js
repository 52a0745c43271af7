/* The time that a view looks at: so many whole days, or hours, of the viewer's zone until the end of this one. */

import { html } from "./vendor/htm-preact.js";
import { ZONE } from "./format.js";
import { setQuery, useLocation } from "./hooks.js";
import { Choice } from "./ui.js";

const PERIODS = [["1", "Last 24 hours"], ["7", "Last 7 days"], ["30", "Last 30 days"], ["90", "Last 90 days"]];
const hours = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const whole = new Intl.DateTimeFormat(undefined, { weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

/** What the analytics endpoints are asked for: {from, to, bucket, time_zone}. */
export const usePeriod = () => {
  const chosen = Number(useLocation().query.days ?? 30);
  const bucket = chosen === 1 ? "hour" : "day";
  const to = new Date();
  if (bucket === "hour") to.setHours(to.getHours() + 1, 0, 0, 0);
  else to.setHours(24, 0, 0, 0);
  const from = new Date(to);
  if (bucket === "hour") from.setHours(from.getHours() - 24);
  else from.setDate(from.getDate() - chosen);
  return { from: from.toISOString(), to: to.toISOString(), bucket, time_zone: ZONE };
};

export const PeriodChoice = () => html`
  <${Choice} label="Period" value=${String(useLocation().query.days ?? 30)} options=${PERIODS} onChange=${(value) => setQuery({ days: value })} />`;

/** How a bucket is called: under its bar, and in full. */
export const named = (start, bucket) => {
  const at = new Date(start);
  return bucket === "hour" ? { short: hours.format(at), label: whole.format(at) } : { short: days.format(at), label: days.format(at) };
};
