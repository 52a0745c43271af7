/* What executions can be, in the order in which bars are stacked. */

export const STATUSES = ["success", "recovered", "error", "crashed", "canceled", "waiting", "running", "new", "unknown"];
export const COUNTED = ["success", "error", "crashed", "canceled", "waiting", "running"];
export const SERIES = COUNTED.map((status) => ({ name: status, tone: status }));
