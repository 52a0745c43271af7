/* What all tenants keep, for those who run the platform: the largest first, or by another measure. */

import { html, useState } from "../vendor/htm-preact.js";
import { bytes, number } from "../format.js";
import { setQuery, useLoaded } from "../hooks.js";
import { daysLeft, growth, KeptTotals, LimitChoice, Measured } from "../parts/kept.js";
import { Table } from "../table.js";
import { Badge, Card, Choice, Empty, Loaded, View } from "../ui.js";

const SORTS = [["bytes", "Largest first"], ["growth", "Fastest growth"], ["rows", "Most rows"], ["vectors", "Most vectors"]];
const [PAGE, MOST] = [100, 1000];

export const Sizes = ({ query: { sort = "bytes", limit_bytes } }) => {
  const [limit, setLimit] = useState(PAGE);
  const loaded = useLoaded("/routes/analytics/storage/tenants", { sort, limit_bytes, limit });
  const aside = html`
    <${Choice} label="Order" value=${sort} options=${SORTS} onChange=${(value) => setQuery({ sort: value })} />
    <${LimitChoice} value=${limit_bytes} />`;
  return html`
    <${View} title="Storage of tenants" about="Of the whole platform, by tenant." aside=${aside}>
      <${Loaded} of=${loaded}>${(found) => html`
        ${found.as_of && html`<${KeptTotals} found=${found} />`}
        <${Card} title=${`${number(found.tenants.length)} of ${number(found.tenant_count)} tenants`}>
          ${found.as_of
            ? html`<${Table} caption="Storage of tenants" rows=${found.tenants} columns=${columns(limit_bytes)} more=${found.tenants.length < found.tenant_count && limit < MOST && (() => setLimit(limit + PAGE))} empty="There is no tenant yet." /><${Measured} of=${found} />`
            : html`<${Empty}>Nothing was measured yet. That happens four times a day.<//>`}
        <//>`}<//>
    <//>`;
};

const columns = (limited) => [
  { title: "Tenant", cell: ({ slug, name, deleted_at }) => (deleted_at ? html`${name} <${Badge} tone="error">deleted<//>` : html`<a href=${`/console/t/${slug}/storage`}>${name}</a>`) },
  { title: "Hot", numeric: true, cell: ({ hot_bytes }) => bytes(hot_bytes) },
  { title: "Rows", numeric: true, extra: true, cell: ({ hot_rows }) => number(hot_rows) },
  { title: "Growth", numeric: true, extra: true, cell: (row) => growth(row.hot_bytes_per_day) },
  { title: "Archived", numeric: true, cell: ({ cold_bytes }) => bytes(cold_bytes) },
  { title: "Growth", numeric: true, extra: true, cell: (row) => growth(row.cold_bytes_per_day) },
  { title: "Vectors", numeric: true, extra: true, cell: ({ vectors }) => number(vectors) },
  ...(limited ? [{ title: "Limit", numeric: true, cell: ({ days_until_limit }) => daysLeft(days_until_limit) }] : []),
];
