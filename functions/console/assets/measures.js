/* What series of analytics are summed up from. Counts add up; percentiles do not, and are only shown as they are answered. */

import { COUNTED } from "./statuses.js";

export const failures = ({ error, crashed }) => error + crashed;

/** Per workflow: {id, total, failed, success_rate, points}, of a series that is grouped by workflow. */
export const byWorkflow = (series) =>
  Object.entries(Object.groupBy(series, ({ group }) => group)).map(([id, rows]) => {
    const sum = Object.fromEntries([...COUNTED, "total", "recovered"].map((name) => [name, rows.reduce((all, row) => all + row[name], 0)]));
    const judged = sum.success + failures(sum) - sum.recovered;
    return {
      id,
      total: sum.total,
      failed: failures(sum),
      success_rate: judged ? Math.round((10_000 * sum.success) / judged) / 100 : null,
      points: rows.map((row) => ({ total: row.total, failed: failures(row) })),
    };
  });

/** The worst first, then the busiest. */
export const worstFirst = (workflows) => workflows.toSorted((one, other) => other.failed - one.failed || other.total - one.total);
