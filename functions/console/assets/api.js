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

/** {data, next, total} of an answer. Sends a body as JSON, or a file as it is. Throws a Problem. */
export const ask = async (method, path, { query, body, file, headers = {} } = {}) => {
  const sent = { authorization: `Bearer ${session.token}`, ...headers };
  if (path.startsWith("/routes/") && tenant()) sent["x-tenant"] = tenant();
  if (written) sent["flo-consistency"] = written;
  if (body !== undefined) sent["content-type"] = "application/json";
  if (file) sent["content-type"] = "application/octet-stream"; // what browsers call files differs: the end of the name says it
  if (method === "POST") sent["idempotency-key"] ??= crypto.randomUUID();
  const answer = await answered(withQuery(path, query), { method, headers: sent, body: file ?? (body && JSON.stringify(body)) });
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

/** A file to the link of an upload; `tell` is told how many bytes have gone. Throws a Problem. */
export const put = (url, type, file, tell) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not say how far it is
    request.upload.onprogress = ({ loaded }) => tell(loaded);
    request.onload = () => (request.status < 300 ? resolve() : reject(refusedByStorage(request)));
    request.onerror = () => reject(new Problem("offline", "The object storage does not take the file: it is not reached, or its CORS rules do not know this page."));
    request.open("PUT", url);
    request.setRequestHeader("content-type", type);
    request.send(file);
  });

const refusedByStorage = ({ status, responseText }) => {
  const code = responseText.match(/<Code>(\w+)<\/Code>/)?.[1] ?? status;
  return new Problem("failed", `The object storage has refused the file: ${code}.`, { status });
};
