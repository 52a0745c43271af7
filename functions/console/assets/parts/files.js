/* Files that are put into a knowledge base: small ones as they are, large ones by way of object storage. */

import { html, useState } from "../vendor/htm-preact.js";
import { ask, put } from "../api.js";
import { bytes, moment, percent, plural } from "../format.js";
import { useAction } from "../hooks.js";
import { Table } from "../table.js";
import { Badge, Card, Failure, Loaded, Progress } from "../ui.js";

const MOST_AT_ONCE = 4_500_000; // bytes that a function takes; more than that is uploaded
const KINDS = ".pdf,.docx,.xlsx,.pptx,.epub,.eml,.csv,.txt,.md,.html";

/** The answer to a file that was put in: its document, or the upload of which it is to become one. */
const send = async (base, file, tell) => {
  const path = `/routes/knowledge-bases/${base}`;
  if (file.size <= MOST_AT_ONCE) return ask("POST", `${path}/files`, { query: { name: file.name }, file });
  const begun = await ask("POST", `${path}/uploads`, { body: { name: file.name, media_type: "application/octet-stream", size: file.size } });
  await put(begun.data.url, begun.data.media_type, file, tell);
  return begun;
};

/** Again and again where there were too many requests, as soon as it may be. */
const patiently = (act, tell) =>
  act().catch(async (problem) => {
    if (problem.kind !== "limited") throw problem;
    tell({ waits: true });
    await new Promise((again) => setTimeout(again, problem.wait * 1000));
    tell({ waits: false });
    return patiently(act, tell);
  });

/** One after the other, and each by itself: one that fails keeps the others from nothing. */
const useSending = (base, done) => {
  const [sent, setSent] = useState([]);
  const tell = (at, change) => setSent((before) => before.map((each, index) => (index === at ? { ...each, ...change } : each)));
  const [begin, { busy }] = useAction(async (files) => {
    setSent(files.map(({ name, size }) => ({ name, size, went: 0, waits: true })));
    for (const [at, file] of files.entries()) {
      const change = (changes) => tell(at, changes);
      change({ waits: false });
      await patiently(() => send(base, file, (went) => change({ went })), change).then(
        ({ data }) => change({ answer: data }),
        (problem) => change({ problem }),
      );
      done();
    }
  });
  return [begin, busy, sent];
};

export const Files = ({ base, uploads, done }) => {
  const [begin, busy, sent] = useSending(base, done);
  const chosen = ({ target }) => { begin([...target.files]); target.value = ""; };
  const aside = html`
    <label class="upload">${busy ? "Uploading …" : "Upload files"}<input type="file" accept=${KINDS} multiple disabled=${busy} onChange=${chosen} /></label>`;
  return html`
    <${Card} title="Files" aside=${aside}>
      <p class="note">PDF, Word, Excel, PowerPoint, books (EPUB), mail (EML), CSV, HTML, Markdown and text, of up to 50 MB. One of the same name takes the place of the document.</p>
      <ul class="things" aria-live="polite">${sent.map((file) => html`<li><strong>${file.name}</strong><${Sent} ...${file} /></li>`)}</ul>
      <${Loaded} of=${uploads}>${(rows, { more }) => rows.length > 0 && html`<${Table} caption="Uploads of large files" rows=${rows} more=${more} columns=${COLUMNS} />`}<//>
    <//>`;
};

const Sent = ({ name, size, went, waits, answer, problem }) => {
  if (problem) return html`<${Failure} problem=${problem} />`;
  if (answer) return html`<span>${answer.media_type ? "sent, and read in its turn" : `stored, ${plural(answer.chunk_count, "passage")}`}</span>`;
  if (waits) return html`<span>waits</span>`;
  if (!went) return html`<span>is sent and read …</span>`;
  return html`<span><${Progress} done=${went} total=${size} label=${`Of ${name} is sent`} /> <span aria-hidden="true">${percent(Math.floor((100 * went) / size))} of ${bytes(size)}</span></span>`;
};

const TONES = { waiting: "waiting", processing: "running", stored: "success", failed: "error" };

const COLUMNS = [
  { title: "Large file", cell: ({ name }) => name },
  { title: "State", cell: ({ status, reason }) => html`<${Badge} tone=${TONES[status]}>${status}<//> ${reason}` },
  { title: "Size", numeric: true, cell: ({ size }) => bytes(size) },
  { title: "Sent", extra: true, cell: ({ created_at }) => html`<span class="whole-line">${moment(created_at)}</span>` },
];
