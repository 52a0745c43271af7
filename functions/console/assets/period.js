/* The time that a view looks at: so many whole days, or hours, until the end of this one. */

import { html } from "./vendor/htm-preact.js";
import { ZONE } from "./format.js";
import { setQuery, useLocation } from "./hooks.js";
import { Choice } from "./ui.js";

const PERIODS = [["1", "Last 24 hours"], ["7", "Last 7 days"], ["30", "Last 30 days"], ["90", "Last 90 days"]];
const HOUR = 3_600_000;

const chosenDays = () => Number(useLocation().query.days ?? 30);

/** What analytics are asked for, in the viewer's zone: {from, to, bucket, time_zone}. */
export const usePeriod = () => {
  const days = chosenDays();
  const [from, to] = [new Date(), new Date()];
  if (days === 1) {
    to.setHours(to.getHours() + 1, 0, 0, 0);
    from.setTime(to.getTime() - 24 * HOUR);
  } else {
    to.setHours(24, 0, 0, 0);
    from.setHours(24, 0, 0, 0);
    from.setDate(from.getDate() - days);
  }
  return { from: from.toISOString(), to: to.toISOString(), bucket: days === 1 ? "hour" : "day", time_zone: ZONE };
};

/** The same for workflows, which are counted by hours of UTC: where hours of the zone are others, in UTC. */
export const useWorkflowPeriod = () => {
  const [days, own] = [chosenDays(), usePeriod()];
  if (new Date().getTimezoneOffset() % 60 === 0) return own;
  const length = days === 1 ? HOUR : 24 * HOUR;
  const to = Math.ceil(Date.now() / length) * length;
  return { ...own, from: new Date(to - days * 24 * HOUR).toISOString(), to: new Date(to).toISOString(), time_zone: "UTC" };
};

/** Without the bucket, for what is answered as a whole. */
export const rangeOf = ({ from, to, time_zone }) => ({ from, to, time_zone });

export const PeriodChoice = () => html`
  <${Choice} label="Period" value=${String(chosenDays())} options=${PERIODS} onChange=${(value) => setQuery({ days: value })} />`;

/** Says so where days and hours are not the viewer's. */
export const ForeignZone = ({ zone }) => zone !== ZONE && html`<span class="note">in days and hours of ${zone}</span>`;

/** How buckets are called in the zone that they are of: under their bars, and in full. */
export const namesOf = (bucket, timeZone) => {
  const day = { timeZone, month: "short", day: "numeric" };
  const hour = { timeZone, hour: "2-digit", minute: "2-digit" };
  const short = new Intl.DateTimeFormat(undefined, bucket === "hour" ? hour : day);
  const label = new Intl.DateTimeFormat(undefined, bucket === "hour" ? { ...day, ...hour } : day);
  return (start) => ({ short: short.format(new Date(start)), label: label.format(new Date(start)) });
};
