/* The shell: who is signed in, which tenant, where one can go, and the view of the place where one is. */

import { html, render, useEffect, useErrorBoundary } from "./vendor/htm-preact.js";
import { ZONE } from "./format.js";
import { go, useLoaded, useLocation, useSession } from "./hooks.js";
import { PLATFORM, TENANT } from "./places.js";
import { allowed } from "./roles.js";
import { begin, session } from "./session.js";
import { Empty, Failure, Loaded, SignIn, View } from "./ui.js";

const App = () => {
  const phase = useSession();
  if (phase === "unset") return html`<main class="gate"><h1>FloMastr console</h1><p>Nobody can sign in here yet: the deployment names no application of the console (<code>ConsoleClientId</code>).</p></main>`;
  if (phase !== "in") return html`<${SignIn} over=${phase === "over"} />`;
  return html`<${SignedIn} />`;
};

const SignedIn = () => {
  const me = useLoaded("/routes/api/v1/users/me/status");
  const tenants = useLoaded("/routes/tenants", { limit: 250 });
  if (me.status !== "ready") return html`<main class="gate" id="main"><${Loaded} of=${me} /></main>`;
  if (tenants.status !== "ready") return html`<main class="gate" id="main"><${Loaded} of=${tenants} /></main>`;
  return html`<${Shell} me=${me.data} tenants=${tenants.data} />`;
};

/** [word, slug, view, id] of /console/t/{slug}/{view}/{id} and /console/platform/{view}. */
const placeOf = (path) => {
  const [, , word, ...rest] = path.split("/").map(decodeURIComponent);
  return word === "t" ? { slug: rest[0], name: rest[1] || "overview", id: rest[2] } : { platform: word === "platform", name: rest[0] };
};

const Shell = ({ me, tenants }) => {
  const { path, query } = useLocation();
  const { slug, platform, name, id } = placeOf(path);
  const first = tenants[0]?.slug;
  const nowhere = !slug && !platform;
  useEffect(() => {
    if (nowhere && first) go(`/console/t/${first}/overview`, { replace: true });
    else if (nowhere && me.is_super_admin) go("/console/platform/tenants", { replace: true });
  }, [nowhere]);
  const role = me.is_super_admin ? "owner" : me.memberships.find(({ tenant_slug }) => tenant_slug === slug)?.role;
  const tenant = tenants.find((each) => each.slug === slug) ?? { slug, name: slug };
  const place = (platform ? PLATFORM : TENANT).find((each) => each.name === name);
  return html`
    <a class="skip" href="#main">Skip to content</a>
    <${Sidebar} here=${name} slug=${slug ?? first} tenants=${tenants} role=${role} isSuperAdmin=${me.is_super_admin} platform=${platform} />
    <main id="main" tabindex="-1" key=${`${slug}/${name}/${id}`}>
      ${nowhere
        ? html`<${View} title="Welcome"><${Empty}>You belong to no tenant yet. Ask one of its admins to invite you.<//><//>`
        : place
          ? html`<${Guarded} view=${place.view} title=${place.title} tenant=${tenant} role=${role} me=${me} id=${id} query=${query} base=${`/console/t/${slug}`} />`
          : html`<${View} title="Not found"><${Failure} problem=${{ kind: "missing", message: "The console has no such page." }} /><//>`}
      <footer>Times are in ${ZONE}. <a href="/routes/docs" target="_blank" rel="noopener">API documentation</a></footer>
    </main>`;
};

/** A view that breaks says so, and leaves the rest of the page as it is. */
const Guarded = ({ view, ...given }) => {
  const [error] = useErrorBoundary((thrown) => console.error(thrown));
  if (error) return html`<${View} title=${given.title}><${Failure} problem=${error} again=${() => location.reload()} /><//>`;
  return html`<${view} ...${given} />`;
};

const Sidebar = ({ here, slug, tenants, role, isSuperAdmin, platform }) => html`
  <nav class="sidebar" aria-label="Console">
    <a class="brand" href="/console"><img src=${new URL("icon.svg", import.meta.url).href} alt="" width="26" height="26" />FloMastr</a>
    ${tenants.length > 0 && html`
      <label class="field tenant"><span class="visually-hidden">Tenant</span>
        <select value=${slug} onChange=${({ target }) => go(`/console/t/${target.value}/${platform ? "overview" : here}`)}>
          ${tenants.map((each) => html`<option value=${each.slug} selected=${each.slug === slug}>${each.name}</option>`)}
        </select>
      </label>
      <${Places} places=${TENANT.filter(({ least }) => least && allowed(role ?? "member", least))} base=${`/console/t/${slug}`} here=${platform ? "" : here} />`}
    ${isSuperAdmin && html`<h2>Platform</h2><${Places} places=${PLATFORM} base="/console/platform" here=${platform ? here : ""} />`}
    <p class="who">${session.name}<button class="quiet" onClick=${session.signOut}>Sign out</button></p>
  </nav>`;

const Places = ({ places, base, here }) => html`
  <ul>${places.map(({ name, title, parts = [] }) => html`
    <li><a href=${`${base}/${name}`} aria-current=${[name, ...parts].includes(here) ? "page" : undefined}>${title}</a></li>`)}
  </ul>`;

/** Links of the console change the place without loading a page. */
const follow = (event) => {
  const link = event.target.closest?.("a[href]");
  const plain = link && !link.target && event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  if (!plain || !link.getAttribute("href").startsWith("/console")) return;
  event.preventDefault();
  go(link.getAttribute("href"));
  scrollTo(0, 0);
};

document.addEventListener("click", follow);
begin().then(
  () => render(html`<${App} />`, document.getElementById("app")),
  () => render(html`<main class="gate"><${Failure} problem=${{ kind: "offline", message: "The console could not be started." }} again=${() => location.reload()} /></main>`, document.getElementById("app")),
);
