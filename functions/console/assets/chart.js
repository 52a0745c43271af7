/* The one chart: bars over time, stacked, in the colours of the page, with the same numbers as a table below. */

import { html } from "./vendor/htm-preact.js";
import { number } from "./format.js";
import { useWidth } from "./hooks.js";
import { Table } from "./table.js";

const [HEIGHT, LEFT, TOP, BOTTOM] = [220, 46, 8, 24];
const INNER = HEIGHT - TOP - BOTTOM;

/** The least round number that is not below the highest bar, and the steps to it. */
const scale = (highest) => {
  const rough = Math.max(highest, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find((factor) => factor * power >= rough) * power, 1);
  const count = Math.max(Math.ceil(highest / step), 1);
  return { top: step * count, ticks: Array.from({ length: count + 1 }, (_, index) => index * step) };
};

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
  const [frame, width] = useWidth();
  const shown = series.filter((_, index) => rows.some(({ values }) => values[index]));
  const { top, ticks } = scale(Math.max(...rows.map(({ values }) => values.reduce((sum, value) => sum + value, 0)), 0));
  const slot = Math.max(width - LEFT, 1) / rows.length;
  const bar = Math.max(Math.min(slot * 0.72, 34), 1);
  const every = Math.max(Math.ceil(64 / slot), 1);
  return html`
    <figure class="chart" ref=${frame}>
      <ul class="legend">${shown.map(({ name, tone }) => html`<li><i class=${tone}></i>${name}</li>`)}</ul>
      <svg width=${width} height=${HEIGHT} role="img" aria-label=${`${title}. The table below has the same numbers.`}>
        ${ticks.map((tick) => {
          const y = TOP + INNER - (tick / top) * INNER;
          return html`<g class="tick"><line x1=${LEFT} x2=${width} y1=${y} y2=${y} /><text x=${LEFT - 8} y=${y + 4}>${format(tick)}</text></g>`;
        })}
        ${rows.map(({ label, short, values }, index) => html`
          <g class="bucket">
            <title>${[label, ...series.map(({ name }, at) => values[at] && `${name}: ${format(values[at])}`).filter(Boolean)].join("\n")}</title>
            <rect class="whole" x=${LEFT + index * slot} y=${TOP} width=${slot} height=${INNER} />
            ${stacked(values, top).map((part, at) => part.height > 0 && html`
              <rect class=${series[at].tone} x=${LEFT + index * slot + (slot - bar) / 2} width=${bar} ...${part} />`)}
            ${index % every === 0 && html`<text class="when" x=${LEFT + (index + 0.5) * slot} y=${HEIGHT - 6}>${short}</text>`}
          </g>`)}
      </svg>
      <details>
        <summary>As a table</summary>
        <${Table} caption=${title} rows=${rows} columns=${[
          { title: "When", cell: ({ label }) => label },
          ...series.map(({ name }, at) => ({ title: name, numeric: true, cell: ({ values }) => format(values[at]) })),
        ]} />
      </details>
    </figure>`;
};

/** A row's own little chart: points are {total, failed}. */
export const Sparkline = ({ points, label }) => {
  const top = Math.max(...points.map(({ total }) => total), 1);
  const height = (value) => (value ? Math.max((value / top) * 22, 1.5) : 0);
  return html`
    <svg class="sparkline" viewBox=${`0 0 ${points.length * 4} 24`} width=${points.length * 4} height="24" role="img" aria-label=${label}>
      ${points.map(({ total, failed = 0 }, index) => html`
        <rect class="success" x=${index * 4} width="3" y=${23 - height(total)} height=${height(total)} />
        ${failed > 0 && html`<rect class="error" x=${index * 4} width="3" y=${23 - height(failed)} height=${height(failed)} />`}`)}
      <line x1="0" x2=${points.length * 4} y1="23.5" y2="23.5" />
    </svg>`;
};
