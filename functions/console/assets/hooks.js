/* What views are made with: the place in the console, and what the API answers. */

import { useEffect, useReducer, useRef, useState } from "./vendor/htm-preact.js";
import { ask, withQuery } from "./api.js";
import { fetchView } from "./places.js";
import { session } from "./session.js";

export const go = (href, { replace = false } = {}) => {
  history[replace ? "replaceState" : "pushState"](null, "", href);
  dispatchEvent(new Event("popstate"));
};

/** The path and query, as they change. */
export const useLocation = () => {
  const [, again] = useReducer((turn) => turn + 1, 0);
  useEffect(() => {
    addEventListener("popstate", again);
    return () => removeEventListener("popstate", again);
  }, []);
  return { path: location.pathname, query: Object.fromEntries(new URLSearchParams(location.search)) };
};

/** Changes the query of the place where one is. */
export const setQuery = (changes) =>
  go(withQuery(location.pathname, { ...Object.fromEntries(new URLSearchParams(location.search)), ...changes }));

export const useSession = () => {
  const [phase, setPhase] = useState(session.phase);
  useEffect(() => session.listen(setPhase), []);
  return phase;
};

/** {view, problem} of a place. Neither is there while its module is on its way. */
export const useView = (place) => {
  const [, arrived] = useReducer((turn) => turn + 1, 0);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    if (!place.view) fetchView(place).then(arrived, () => setProblem({ message: "This page could not be fetched." }));
  }, []);
  return { view: place.view, problem };
};

/** {status: loading | ready | failed, data, problem, again, more}. Without a path it goes on loading. */
export const useLoaded = (path, query) => {
  const [state, setState] = useState({ status: "loading" });
  const [turn, again] = useReducer((count) => count + 1, 0);
  const url = path && withQuery(path, query);
  const current = useRef(url);
  const take = (promise, change) =>
    promise.then(
      (answer) => current.current === url && setState((before) => change(before, answer)),
      (problem) => current.current === url && setState((before) => ({ ...before, status: "failed", problem })),
    );
  useEffect(() => {
    if (current.current !== url) setState({ status: "loading" });
    current.current = url;
    if (url) take(ask("GET", url), (_, answer) => ({ status: "ready", ...answer }));
  }, [url, turn]);
  const more = () =>
    take(ask("GET", state.next), (before, answer) => ({ ...answer, status: "ready", data: [...before.data, ...answer.data] }));
  return { ...state, again, more: state.next && more };
};

/** Asks again every few seconds while `busy` says that something goes on. */
export const usePolling = (loaded, busy, seconds = 5) =>
  useEffect(() => {
    if (loaded.status !== "ready" || !busy(loaded.data)) return;
    const timer = setTimeout(loaded.again, seconds * 1000);
    return () => clearTimeout(timer);
  });

/** [act, {busy, problem}]: `act` runs what is given, then `done`. */
export const useAction = (run, done = () => {}) => {
  const [state, setState] = useState({ busy: false, problem: null });
  const act = async (...given) => {
    setState({ busy: true, problem: null });
    try {
      const answer = await run(...given);
      setState({ busy: false, problem: null });
      done(answer);
    } catch (problem) {
      setState({ busy: false, problem });
    }
  };
  return [act, state];
};

/** The width of an element in pixels, as it changes. */
export const useWidth = () => {
  const element = useRef();
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width];
};
