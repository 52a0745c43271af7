/* Numbers and moments as people read them. Moments are in the viewer's zone, which is named. */

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const time = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" };
const moments = new Intl.DateTimeFormat(undefined, time);
const older = new Intl.DateTimeFormat(undefined, { ...time, year: "numeric" });
const dates = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const numbers = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const NOTHING = "–";
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

const ofThisYear = (at) => at.getFullYear() === new Date().getFullYear();
const inFull = (at) => (ofThisYear(at) ? moments : older).format(at);

export const moment = (iso) => (iso ? inFull(new Date(iso)) : NOTHING);
export const date = (iso) => (iso ? dates.format(new Date(iso)) : NOTHING);
export const number = (value) => (value === null || value === undefined ? NOTHING : numbers.format(value));
export const percent = (value) => (value === null || value === undefined ? NOTHING : `${numbers.format(value)} %`);
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

export const ago = (iso) => {
  const seconds = (new Date(iso) - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.round(seconds / length), unit);
};

export const duration = (seconds) => {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 1) return `${number(Math.round(seconds * 100_000) / 100)} ms`;
  if (seconds < 60) return `${number(seconds)} s`;
  const [, length] = UNITS.find(([, size]) => seconds >= size);
  const rest = Math.round((seconds % length) / (length / (length === 86_400 ? 24 : 60)));
  const [big, small] = { 60: ["min", "s"], 3600: ["h", "min"], 86400: ["d", "h"] }[length];
  return `${Math.floor(seconds / length)} ${big} ${rest} ${small}`;
};

export const between = (start, end) => (start && end ? (new Date(end) - new Date(start)) / 1000 : null);

export const bytes = (count) => {
  if (count === null || count === undefined) return NOTHING;
  const power = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), 4);
  return `${number(Math.round((count / 1000 ** power) * 10) / 10)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
};
