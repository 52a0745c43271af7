/* How much is kept hot and archived, how it grows, and when it reaches a limit that is chosen. */

import { html } from "../vendor/htm-preact.js";
import { bytes, moment, number, plural } from "../format.js";
import { setQuery } from "../hooks.js";
import { Table } from "../table.js";
import { Choice, Empty, Figure, Figures } from "../ui.js";

const LIMITS = [["", "No limit"], [1e9, "1 GB"], [1e10, "10 GB"], [1e11, "100 GB"], [1e12, "1 TB"], [1e13, "10 TB"]].map(([size, name]) => [String(size), name]);

export const LimitChoice = ({ value }) => html`<${Choice} label="Limit" value=${value} options=${LIMITS} onChange=${(chosen) => setQuery({ limit_bytes: chosen })} />`;

export const growth = (perDay) => {
  if (!perDay) return perDay === 0 ? "no growth" : "–";
  return `${perDay < 0 ? "−" : "+"}${bytes(Math.abs(perDay))} a day`;
};

export const daysLeft = (days) => {
  if (days === null) return "not in sight";
  return days === 0 ? "reached" : `in ${plural(Math.round(days), "day")}`;
};

const beside = (rows, perDay) => plural(rows, "row") + (perDay === null ? "" : `, ${growth(perDay)}`);

/** The figures of all kinds together. */
export const KeptTotals = ({ found: { totals, limit_bytes } }) => html`
  <${Figures}>
    <${Figure} name="Hot" value=${bytes(totals.hot_bytes)} note=${beside(totals.hot_rows, totals.hot_bytes_per_day)} />
    <${Figure} name="Archived" value=${bytes(totals.cold_bytes)} note=${beside(totals.cold_rows, totals.cold_bytes_per_day)} />
    <${Figure} name="Vectors" value=${number(totals.vectors)} />
    ${limit_bytes && html`<${Figure} name=${`${bytes(limit_bytes)} in all`} value=${daysLeft(totals.days_until_limit)} tone=${totals.days_until_limit === 0 ? "bad" : ""} />`}
  <//>`;

export const Kept = ({ found }) =>
  found.as_of
    ? html`<${KeptTotals} found=${found} /><${Table} caption="What is kept" rows=${found.kinds} columns=${COLUMNS} /><${Measured} of=${found} />`
    : html`<${Empty}>Nothing was measured yet. That happens four times a day.<//>`;

export const Measured = ({ of: { as_of, since } }) => html`
  <p class="note">Measured ${moment(as_of)}, four times a day. ${since ? `Growth is counted since ${moment(since)}.` : "Growth is known from the second day on."} Hot is what rows take, without indexes.</p>`;

const NAMES = { workflow_executions: "Executions", webchat_sessions: "Chats", documents: "Documents", chunks: "Words of passages", embeddings: "Passages and vectors" };

const COLUMNS = [
  { title: "What", cell: ({ kind }) => NAMES[kind] ?? kind },
  { title: "Hot rows", numeric: true, cell: ({ hot_rows }) => number(hot_rows) },
  { title: "Hot", numeric: true, cell: ({ hot_bytes }) => bytes(hot_bytes) },
  { title: "Growth", numeric: true, extra: true, cell: (row) => growth(row.hot_bytes_per_day) },
  { title: "Archived rows", numeric: true, cell: ({ cold_rows }) => number(cold_rows) },
  { title: "Archived", numeric: true, cell: ({ cold_bytes }) => bytes(cold_bytes) },
  { title: "Growth", numeric: true, extra: true, cell: (row) => growth(row.cold_bytes_per_day) },
];
