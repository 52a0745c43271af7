/* The one way to the API: JSON in, JSON out, and a Problem for whatever else happens. */

import { session } from "./session.js";

/** kind: expired, forbidden, missing, limited, offline, invalid or failed. */
export class Problem extends Error {
  constructor(kind, detail, { status = 0, code = "", fields = [], requestId = "", wait = 0 } = {}) {
    super(detail);
    Object.assign(this, { kind, status, code, fields, requestId, wait });
  }
}

let written = ""; // what the last write has answered, so that lists by a read replica include it

const tenant = () => decodeURIComponent(location.pathname.match(/^\/console\/t\/([^/]+)/)?.[1] ?? "");

export const withQuery = (path, query = {}) => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
};

/** {data, next, total} of an answer. Throws a Problem. */
export const ask = async (method, path, { query, body, headers = {} } = {}) => {
  const sent = { authorization: `Bearer ${session.token}`, ...headers };
  if (path.startsWith("/routes/") && tenant()) sent["x-tenant"] = tenant();
  if (written) sent["flo-consistency"] = written;
  if (body !== undefined) sent["content-type"] = "application/json";
  if (method === "POST") sent["idempotency-key"] ??= crypto.randomUUID();
  const answer = await answered(withQuery(path, query), { method, headers: sent, body: body && JSON.stringify(body) });
  written = answer.headers.get("flo-consistency") ?? written;
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw refused(answer, data);
  const next = answer.headers.get("link")?.match(/<([^>]+)>; rel="next"/)?.[1];
  return { data, next, total: Number(answer.headers.get("x-total-count")) };
};

const answered = async (url, options) => {
  try {
    return await fetch(url, options);
  } catch {
    throw new Problem("offline", "The platform does not answer.");
  }
};

const refused = (answer, problem) => {
  const kind = kindOf(answer.status, problem);
  const detail = kind === "missing" && !problem.code ? "This deployment does not offer it." : problem.detail ?? problem.message ?? answer.statusText;
  if (kind === "expired") session.expire();
  return new Problem(kind, detail, {
    status: answer.status,
    code: problem.code,
    fields: problem.errors,
    requestId: problem.request_id ?? answer.headers.get("apigw-requestid"),
    wait: Number(answer.headers.get("retry-after")) || 10,
  });
};

/** What API Gateway says itself has no code: then a 403 is about the token, and a 404 about the route. */
const kindOf = (status, { code }) => {
  if (status === 401 || (status === 403 && !code)) return "expired";
  if (status === 403) return "forbidden";
  if (status === 404) return "missing";
  if (status === 429) return "limited";
  return status < 500 ? "invalid" : "failed";
};
