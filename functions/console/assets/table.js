/* The one table. On a narrow screen it scrolls by itself, and columns that are said to be `extra` go. */

import { html } from "./vendor/htm-preact.js";
import { Empty } from "./ui.js";

/**
 * columns: {title (none for buttons), cell: (row) => content, numeric, extra}. `more` loads the next page, where there is one.
 */
export const Table = ({ caption, columns, rows, empty, more }) => {
  if (!rows.length) return html`<${Empty}>${empty}<//>`;
  const kind = ({ numeric, extra }) => [numeric && "numeric", extra && "extra"].filter(Boolean).join(" ");
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${caption}>
      <table>
        <caption class="visually-hidden">${caption}</caption>
        <thead><tr>${columns.map((column) => html`<th scope="col" class=${kind(column)}>${column.title || html`<span class="visually-hidden">Actions</span>`}</th>`)}</tr></thead>
        <tbody>
          ${rows.map((row, index) => html`
            <tr key=${row.id ?? index}>${columns.map((column) => html`<td class=${kind(column)}>${column.cell(row)}</td>`)}</tr>`)}
        </tbody>
      </table>
    </div>
    ${more && html`<p class="more"><button type="button" onClick=${more}>Show more</button></p>`}`;
};
