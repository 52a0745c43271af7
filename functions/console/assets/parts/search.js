/* The search box: passages that answer a question, with their words marked and the place that they are from. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { number } from "../format.js";
import { useAction } from "../hooks.js";
import { Badge, Card, Choice, Empty, Failure } from "../ui.js";

const MODES = [["hybrid", "Meaning and words"], ["vector", "Meaning"], ["text", "Words"]];

/** In all bases of the tenant, or in one. */
export const Search = ({ tenant, base, knowledgeBase }) => {
  const [found, setFound] = useState(null);
  const [mode, setMode] = useState("hybrid");
  const [search, state] = useAction(
    (query) => ask("POST", `/routes/knowledge/${tenant.slug}/search`, { body: { query, mode, k: 8, knowledge_base_id: knowledgeBase } }),
    ({ data }) => setFound(data),
  );
  return html`
    <${Card} title="Search">
      <form class="search" role="search" onSubmit=${(event) => { event.preventDefault(); search(event.target.query.value); }}>
        <input type="search" name="query" aria-label="Question" placeholder="What do you want to know?" required maxlength="2000" />
        <${Choice} label="By" value=${mode} options=${MODES} onChange=${setMode} />
        <button class="primary" disabled=${state.busy}>${state.busy ? "…" : "Search"}</button>
      </form>
      <div aria-live="polite">
        ${state.problem ? html`<${Failure} problem=${state.problem} />` : found && html`<${Results} found=${found} base=${base} />`}
      </div>
    <//>`;
};

const Results = ({ found: { results, escalate }, base }) => {
  if (!results.length) return html`<${Empty}>No passage answers this.<//>`;
  return html`
    ${escalate && html`<p class="note">No passage can be relied on: better ask a person.</p>`}
    <ol class="results">${results.map((result) => html`
      <li>
        <p class="cite"><a href=${`${base}/base/${result.knowledge_base_id}`}>${result.title ?? result.document_name}</a>
          <span class="note">characters ${number(result.start)} to ${number(result.end)}, score ${number(result.score)}</span>
          <${Badge} tone=${result.confident ? "success" : "canceled"}>${result.confident ? "reliable" : "unsure"}<//></p>
        <p>${marked(result.chunk_text, result.highlights)}</p>
      </li>`)}
    </ol>`;
};

/** The text with its ranges marked. They count characters, not halves of them as JavaScript does. */
const marked = (text, ranges) => {
  const characters = Array.from(text);
  const cut = (from, to) => characters.slice(from, to).join("");
  let end = 0;
  const parts = ranges.flatMap(([from, to]) => {
    const before = cut(end, from);
    end = to;
    return [before, html`<mark>${cut(from, to)}</mark>`];
  });
  return [...parts, cut(end)];
};
