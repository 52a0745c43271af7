/* The parts that views are put together from. */

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { session } from "./session.js";

/** A view: its heading takes the focus, so that a screen reader says where one has come to. */
export const View = ({ title, about, aside, children }) => {
  const heading = useRef();
  useEffect(() => {
    document.title = `${title} – FloMastr`;
    heading.current.focus({ preventScroll: true });
  }, [title]);
  return html`
    <header class="view">
      <div><h1 tabindex="-1" ref=${heading}>${title}</h1>${about && html`<p>${about}</p>`}</div>
      ${aside && html`<div class="aside">${aside}</div>`}
    </header>
    ${children}`;
};

export const Card = ({ title, aside, wide, children }) => html`
  <section class=${`card ${wide ? "wide" : ""}`}>
    ${title && html`<header><h2>${title}</h2>${aside}</header>`}
    ${children}
  </section>`;

export const Figure = ({ name, value, note, tone = "" }) => html`
  <div class=${`figure ${tone}`}><dt>${name}</dt><dd>${value}</dd>${note && html`<dd class="note">${note}</dd>`}</div>`;

export const Figures = ({ children }) => html`<dl class="figures">${children}</dl>`;

export const Badge = ({ tone, children }) => html`<span class=${`badge ${tone ?? children}`}>${children}</span>`;

export const Loading = () => html`<div class="loading" role="status"><span class="visually-hidden">Loading</span><i></i><i></i><i></i></div>`;

export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

const TITLES = {
  expired: "Your session is over",
  forbidden: "This is not yours to see",
  missing: "There is nothing here",
  limited: "Too many requests",
  offline: "The platform does not answer",
  invalid: "That cannot be done",
  failed: "Something went wrong on the platform",
};

/** What went wrong, and what to do. A limit is waited for, and a lost connection asks again when it is back. */
export const Failure = ({ problem, again }) => {
  const [left, setLeft] = useState(problem.wait || 0);
  const waiting = problem.kind === "limited" && again;
  useEffect(() => setLeft(problem.wait || 0), [problem]);
  useEffect(() => {
    if (!waiting) return;
    const timer = setTimeout(() => (left > 1 ? setLeft(left - 1) : again()), 1000);
    return () => clearTimeout(timer);
  }, [left, problem]);
  useEffect(() => {
    if (problem.kind !== "offline" || !again) return;
    addEventListener("online", again);
    return () => removeEventListener("online", again);
  }, [problem]);
  return html`
    <div class=${`failure ${problem.kind}`} role="alert">
      <strong>${TITLES[problem.kind] ?? "Something went wrong in this page"}</strong>
      <p>${problem.message}</p>
      ${problem.fields?.length > 0 && html`<ul>${problem.fields.map(({ field, message }) => html`<li><code>${field}</code> ${message}</li>`)}</ul>`}
      ${waiting && html`<p>It is asked for again in ${left} s.</p>`}
      ${problem.requestId && html`<p class="note">Request <code>${problem.requestId}</code></p>`}
      ${again && problem.kind !== "forbidden" && html`<button type="button" onClick=${again}>Try again</button>`}
    </div>`;
};

/** The state of something that is loaded, or the children with its data. */
export const Loaded = ({ of, children }) => {
  if (of.status === "failed") return html`<${Failure} problem=${of.problem} again=${of.again} />`;
  if (of.status === "loading") return html`<${Loading} />`;
  return children(of.data, of);
};

export const Choice = ({ label, value, options, onChange }) => html`
  <label class="field"><span>${label}</span>
    <select value=${value ?? ""} onChange=${(event) => onChange(event.target.value)}>
      ${options.map(([key, name]) => html`<option value=${key} selected=${key === (value ?? "")}>${name}</option>`)}
    </select>
  </label>`;

/** A form whose fields are given to `send` as an object. */
export const Form = ({ send, state, submit, children, tone }) => html`
  <form class="form" onSubmit=${(event) => {
    event.preventDefault();
    const form = event.target;
    send(Object.fromEntries(new FormData(form)), form);
  }}>
    ${children}
    <button class=${tone ?? "primary"} disabled=${state.busy}>${state.busy ? "…" : submit}</button>
    ${state.problem && html`<${Failure} problem=${state.problem} />`}
  </form>`;

export const Field = ({ label, ...input }) => html`<label class="field"><span>${label}</span><input ...${input} /></label>`;

/** A button that asks once more before it does what cannot be undone. */
export const Sure = ({ label, question, act }) => {
  const [asked, setAsked] = useState(false);
  if (!asked) return html`<button type="button" class="quiet" onClick=${() => setAsked(true)}>${label}</button>`;
  return html`<span class="sure">${question}
    <button type="button" class="danger" onClick=${() => { setAsked(false); act(); }}>${label}</button>
    <button type="button" class="quiet" onClick=${() => setAsked(false)}>Keep</button></span>`;
};

/** What has a whole and a part of it that is done. */
export const Progress = ({ done, total, label }) => html`
  <span class="progress"><progress value=${total === null ? undefined : done} max=${total || 1} aria-label=${label}></progress></span>`;

export const SignIn = ({ over }) => html`
  <main class="gate" id="main">
    <img src=${new URL("icon.svg", import.meta.url).href} alt="" width="44" height="44" />
    <h1>${over ? "Your session is over" : "FloMastr console"}</h1>
    <p>${over ? "Sign in again, and you are back where you were." : "What ran, what failed, what is kept, and what leaves tonight."}</p>
    <button class="primary" onClick=${session.signIn}>Sign in</button>
  </main>`;
