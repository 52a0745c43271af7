/* Who is signed in. The token lives in this module and nowhere else: a reload forgets it. */

const ISSUER = "issuer"; // where its description is kept while one is away
const listeners = new Set();
let manager = null;
let user = null;
let phase = "out"; // out, in, over (was signed in until the token ran out), unset (nobody can)

const become = (next, nextUser = user) => {
  [phase, user] = [next, nextUser];
  listeners.forEach((tell) => tell(phase));
};

export const session = {
  get phase() { return phase; },
  get token() { return user?.access_token; },
  get name() { return user?.profile.name ?? user?.profile.email ?? user?.profile.sub; },
  listen: (tell) => {
    listeners.add(tell);
    return () => listeners.delete(tell);
  },
  /** The issuer, or the API, no longer believes the token. */
  expire: () => phase === "in" && become("over", null),
  signOut: async () => {
    await manager.removeUser();
    become("out", null);
  },
  /** To the issuer, and back to where one is now. What the issuer says of itself need not be asked again there. */
  signIn: async () => {
    sessionStorage.setItem(ISSUER, JSON.stringify(await manager.metadataService.getMetadata()));
    await manager.signinRedirect({ state: location.pathname + location.search });
  },
};

/** Completes a sign-in that comes back from the issuer, or finds out where the next one leads. */
export const begin = async () => {
  const { issuer, metadataUrl, clientId } = document.getElementById("app").dataset;
  if (!clientId) return become("unset");
  const described = sessionStorage.getItem(ISSUER);
  sessionStorage.removeItem(ISSUER);
  manager = new oidc.UserManager({
    authority: issuer,
    metadataUrl,
    metadata: JSON.parse(described) ?? undefined,
    client_id: clientId,
    redirect_uri: `${location.origin}/console/callback`,
    scope: "openid profile email",
    automaticSilentRenew: false,
    userStore: new oidc.WebStorageStateStore({ store: new oidc.InMemoryWebStorage() }),
    stateStore: new oidc.WebStorageStateStore({ store: sessionStorage }), // the code's secret, while one is away
  });
  manager.events.addAccessTokenExpired(session.expire);
  if (location.pathname === "/console/callback") await complete();
  else manager.metadataService.getMetadata().catch(() => {}); // ahead of a click, which asks again if it has to
};

const complete = async () => {
  try {
    const signedIn = await manager.signinCallback();
    history.replaceState(null, "", signedIn.state ?? "/console");
    become(signedIn.expired ? "over" : "in", signedIn.expired ? null : signedIn);
  } catch {
    history.replaceState(null, "", "/console"); // a code that is used up or not ours: begin anew
  }
};

/* The page of the API's documentation asks an open console for the token, to try requests with. */
const pages = new BroadcastChannel("flomastr-token");
const share = () => session.token && pages.postMessage({ token: session.token });
pages.addEventListener("message", ({ data }) => data === "who?" && share());
session.listen(share);
