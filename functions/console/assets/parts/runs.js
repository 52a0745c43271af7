/* Executions over time, stacked by status. */

import { html } from "../vendor/htm-preact.js";
import { Chart } from "../chart.js";
import { namesOf } from "../period.js";
import { COUNTED, SERIES } from "../statuses.js";

export const RunsChart = ({ found: { series, bucket, time_zone } }) => {
  const named = namesOf(bucket, time_zone);
  const rows = series.map((row) => ({ ...named(row.bucket_start), values: COUNTED.map((status) => row[status]) }));
  return html`<${Chart} title="Executions by status" series=${SERIES} rows=${rows} />`;
};
