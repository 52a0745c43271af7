/* How well search answers questions of one's own, and from which score on it can be relied on. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../api.js";
import { number, percent } from "../format.js";
import { useAction } from "../hooks.js";
import { Table } from "../table.js";
import { Card, Failure } from "../ui.js";

const MODES = { hybrid: "Meaning and words", vector: "Meaning", text: "Words" };
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
  { title: "By", cell: ({ id }) => MODES[id] },
  { title: "First right", numeric: true, cell: ({ success_at_1 }) => percent(100 * success_at_1) },
  { title: "Of five", numeric: true, cell: ({ success_at_5 }) => percent(100 * success_at_5) },
  { title: "Of ten", numeric: true, cell: ({ success_at_10 }) => percent(100 * success_at_10) },
  { title: "nDCG@10", numeric: true, extra: true, cell: ({ ndcg_at_10 }) => number(ndcg_at_10) },
  { title: "MRR", numeric: true, extra: true, cell: ({ mrr }) => number(mrr) },
  { title: "Reliable from", numeric: true, cell: ({ min_score }) => (min_score === null ? "never" : number(min_score)) },
  { title: "Reach it", numeric: true, cell: ({ answered }) => (answered === null ? "" : percent(100 * answered)) },
];
