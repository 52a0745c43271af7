/* The search box: passages that answer a question, with their words marked and the place that they are from. And how well
   search answers questions of one's own, and from which score on it can be relied on. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { number, percent } from "../format.js";
import { useAction } from "../hooks.js";
import { Table } from "../table.js";
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
          <span class="note">${placeIn(result.chunk_metadata)}characters ${number(result.start)} to ${number(result.end)}, score ${number(result.score)}</span>
          <${Badge} tone=${result.confident ? "success" : "canceled"}>${result.confident ? "reliable" : "unsure"}<//></p>
        <p>${marked(result.chunk_text, result.highlights)}</p>
      </li>`)}
    </ol>`;
};

/** On which pages, slides or sheets of its file a passage stands. */
const placeIn = (metadata) => {
  const kind = ["page", "slide", "sheet"].find((each) => metadata[`${each}s`]?.length);
  if (!kind) return "";
  const places = metadata[`${kind}s`];
  if (places.length === 1) return `${kind} ${places[0]}, `;
  return `${kind}s ${kind === "sheet" ? places.join(", ") : `${places[0]} to ${places.at(-1)}`}, `;
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

const EXAMPLE = "When do I get my money back? = refunds.md";

/** One question a line, `=`, and the document that answers it; several with `|` between them. */
const questions = (lines) => lines.split("\n").filter((line) => line.trim()).map((line) => {
  const at = line.lastIndexOf("=");
  const names = line.slice(at + 1).split("|").map((name) => name.trim()).filter(Boolean);
  return { query: line.slice(0, Math.max(0, at)).trim(), expected: names.map((document_name) => ({ document_name })) };
});

export const Evaluate = ({ tenant }) => {
  const [found, setFound] = useState(null);
  const [evaluate, state] = useAction(
    (asked) => ask("POST", `/routes/knowledge/${tenant.slug}/evaluate`, { body: asked }).then(({ data }) => ({ data, asked })),
    setFound,
  );
  return html`
    <${Card} title="Evaluate">
      <form class="form" onSubmit=${(event) => { event.preventDefault(); evaluate(questions(event.target.questions.value)); }}>
        <label class="field"><span>Known answers</span>
          <textarea name="questions" rows="4" required placeholder=${EXAMPLE}></textarea>
        </label>
        <button disabled=${state.busy}>${state.busy ? "…" : "Evaluate"}</button>
      </form>
      <div aria-live="polite">
        ${state.problem ? html`<${Failure} problem=${state.problem} />` : found && html`<${Measured} ...${found} />`}
      </div>
    <//>`;
};

const Measured = ({ data: { modes }, asked }) => {
  const rows = Object.entries(modes).map(([mode, measured]) => ({ id: mode, ...measured }));
  const missed = asked.filter((_, index) => rows.every(({ ranks }) => ranks[index] === null));
  return html`
    <${Table} caption="Evaluation by mode" rows=${rows} columns=${COLUMNS} />
    <p class="note">With a score of at least “reliable from” nine of ten first results are right; “reach it” says how many questions have such a one.</p>
    ${missed.length > 0 && html`<p class="note">Not among ten results: ${missed.map(({ query }) => query).join(" · ")}</p>`}`;
};

const COLUMNS = [
  { title: "By", cell: ({ id }) => Object.fromEntries(MODES)[id] },
  { title: "First right", numeric: true, cell: ({ success_at_1 }) => percent(100 * success_at_1) },
  { title: "Of five", numeric: true, cell: ({ success_at_5 }) => percent(100 * success_at_5) },
  { title: "Of ten", numeric: true, cell: ({ success_at_10 }) => percent(100 * success_at_10) },
  { title: "nDCG@10", numeric: true, extra: true, cell: ({ ndcg_at_10 }) => number(ndcg_at_10) },
  { title: "MRR", numeric: true, extra: true, cell: ({ mrr }) => number(mrr) },
  { title: "Reliable from", numeric: true, cell: ({ min_score }) => (min_score === null ? "never" : number(min_score)) },
  { title: "Reach it", numeric: true, cell: ({ answered }) => (answered === null ? "" : percent(100 * answered)) },
];
