/* Charts over time: bars that are stacked, and lines. In the colours of the page, with the same numbers as a table below. */

import { html } from "./vendor/htm-preact.js";
import { number } from "./format.js";
import { useWidth } from "./hooks.js";
import { Table } from "./table.js";

const [HEIGHT, TOP, BOTTOM] = [220, 8, 24];
const INNER = HEIGHT - TOP - BOTTOM;

/** The least round number that is not below the highest value, and the steps to it: whole ones, unless `parts` may be. */
export const scale = (highest, parts = false) => {
  const rough = Math.max(highest, parts ? 1e-6 : 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power, parts ? 0 : 1);
  const count = Math.max(Math.ceil(highest / step - 1e-9), 1);
  return { top: step * count, ticks: Array.from({ length: count + 1 }, (_, index) => index * step) };
};

const heightOf = (value, top) => TOP + INNER - (value / top) * INNER;

/** The parts of a bar from below, each with where it begins and how high it is. */
const stacked = (values, top) => {
  let sum = 0;
  return values.map((value) => {
    const [from, height] = [sum, (value / top) * INNER];
    sum += height;
    return { y: TOP + INNER - from - height, height };
  });
};

/**
 * rows: [{label, short, values: [number]}], one for each bucket; series: [{name, tone}] in the order of values.
 */
export const Chart = ({ title, rows, series, format = number }) => {
  const shown = series.filter((_, index) => rows.some(({ values }) => values[index]));
  const axis = scale(Math.max(...rows.map(({ values }) => values.reduce((sum, value) => sum + value, 0)), 0));
  const bars = ({ values }, { x, slot }) => {
    const bar = Math.max(Math.min(slot * 0.72, 34), 1);
    return stacked(values, axis.top).map((part, at) => part.height > 0 && html`
      <rect class=${series[at].tone} x=${x + (slot - bar) / 2} width=${bar} ...${part} />`);
  };
  return html`<${Plot} title=${title} rows=${rows} series=${series} shown=${shown} format=${format} axis=${axis} each=${bars} left=${46} />`;
};

/** The same with lines, which have a gap where a value is null. `axis` as `scale` makes it. */
export const Lines = ({ title, rows, series, format, axis }) => {
  const dots = ({ values }, { x, slot }) => values.map((value, at) => value !== null && html`
    <circle class=${series[at].tone} cx=${x + slot / 2} cy=${heightOf(value, axis.top)} r=${rows.length > 40 ? 1.5 : 2.5} />`);
  const lines = ({ left, slot }) => series.map(({ tone }, at) => html`
    <path class=${`line ${tone}`} d=${pathOf(rows.map(({ values }, index) => [left + (index + 0.5) * slot, values[at]]), axis.top)} />`);
  return html`<${Plot} title=${title} rows=${rows} series=${series} shown=${series} format=${format} axis=${axis} each=${dots} whole=${lines} left=${76} />`;
};

const pathOf = (points, top) =>
  points.map(([x, value], index) => {
    if (value === null) return "";
    const begins = index === 0 || points[index - 1][1] === null;
    return `${begins ? "M" : "L"}${x} ${heightOf(value, top)}`;
  }).join("");

/** Axes, what `each` draws of a row and `whole` of all, the legend and the table. */
const Plot = ({ title, rows, series, shown, format, axis: { top, ticks }, each, whole, left }) => {
  const [frame, width] = useWidth();
  const slot = Math.max(width - left, 1) / rows.length;
  const every = Math.max(Math.ceil(64 / slot), 1);
  const said = (value) => (value || value === 0 ? format(value) : "–");
  return html`
    <figure class="chart" ref=${frame}>
      <ul class="legend">${shown.map(({ name, tone }) => html`<li><i class=${tone}></i>${name}</li>`)}</ul>
      <svg width=${width} height=${HEIGHT} role="img" aria-label=${`${title}. The table below has the same numbers.`}>
        ${ticks.map((tick) => html`
          <g class="tick"><line x1=${left} x2=${width} y1=${heightOf(tick, top)} y2=${heightOf(tick, top)} /><text x=${left - 8} y=${heightOf(tick, top) + 4}>${format(tick)}</text></g>`)}
        ${whole?.({ left, slot })}
        ${rows.map((row, index) => html`
          <g class="bucket">
            <title>${[row.label, ...series.map(({ name }, at) => row.values[at] && `${name}: ${format(row.values[at])}`).filter(Boolean)].join("\n")}</title>
            <rect class="whole" x=${left + index * slot} y=${TOP} width=${slot} height=${INNER} />
            ${each(row, { x: left + index * slot, slot })}
            ${index % every === 0 && html`<text class="when" x=${left + (index + 0.5) * slot} y=${HEIGHT - 6}>${row.short}</text>`}
          </g>`)}
      </svg>
      <details>
        <summary>As a table</summary>
        <${Table} caption=${title} rows=${rows} columns=${[
          { title: "When", cell: ({ label }) => label },
          ...series.map(({ name }, at) => ({ title: name, numeric: true, cell: ({ values }) => said(values[at]) })),
        ]} />
      </details>
    </figure>`;
};

/** A row's own little chart, of numbers. */
export const Sparkline = ({ points, label }) => {
  const top = Math.max(...points, 1);
  const height = (value) => (value ? Math.max((value / top) * 22, 1.5) : 0);
  return html`
    <svg class="sparkline" viewBox=${`0 0 ${points.length * 4} 24`} width=${points.length * 4} height="24" role="img" aria-label=${label}>
      ${points.map((value, index) => html`<rect class="success" x=${index * 4} width="3" y=${23 - height(value)} height=${height(value)} />`)}
      <line x1="0" x2=${points.length * 4} y1="23.5" y2="23.5" />
    </svg>`;
};
