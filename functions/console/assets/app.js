/* The shell: who is signed in, which tenant, where one can go, and the view of the place where one is. */

import { html, render, useEffect, useErrorBoundary } from "./vendor/htm-preact.js";
import { ZONE } from "./format.js";
import { go, useLoaded, useLocation, useSession, useView } from "./hooks.js";
import { fetchView, PLATFORM, placeOf, TENANT } from "./places.js";
import { allowed } from "./roles.js";
import { begin, session } from "./session.js";
import { Empty, Failure, Loaded, Loading, SignIn, View } from "./ui.js";

const SETTLED = 3000; // milliseconds that the first view has for itself

const App = () => {
  const phase = useSession();
  if (phase === "unset") return html`<main class="gate"><h1>FloMastr console</h1><p>Nobody can sign in here yet: the deployment names no application of the console (<code>ConsoleClientId</code>).</p></main>`;
  if (phase !== "in") return html`<${SignIn} over=${phase === "over"} />`;
  return html`<${SignedIn} />`;
};

/** A view begins to ask before it is known who asks: where the address names its tenant, all is on its way at once. */
const SignedIn = () => {
  const me = useLoaded("/routes/api/v1/users/me/status");
  const tenants = useLoaded("/routes/tenants", { limit: 250 });
  const { path, query } = useLocation();
  const { slug, platform, ...where } = placeOf(path);
  const nowhere = !slug && !platform;
  const unfinished = [me, tenants].find(({ status }) => status === "failed" || (nowhere && status === "loading"));
  if (unfinished) return html`<main class="gate" id="main"><${Loaded} of=${unfinished} /></main>`;
  return html`<${Shell} me=${me.data} tenants=${tenants.data} slug=${slug} platform=${platform} nowhere=${nowhere} ...${where} query=${query} />`;
};

const Shell = ({ me, tenants, slug, platform, nowhere, name, id, place, query }) => {
  const first = tenants?.[0]?.slug;
  useEffect(() => {
    if (nowhere && first) go(`/console/t/${first}/overview`, { replace: true });
    else if (nowhere && me.is_super_admin) go("/console/platform/tenants", { replace: true });
  }, [nowhere]);
  useEffect(() => {
    const timer = me && setTimeout(fetchOthers, SETTLED, me.is_super_admin ? [...TENANT, ...PLATFORM] : TENANT);
    return () => clearTimeout(timer);
  }, [me]);
  const role = me?.is_super_admin ? "owner" : me?.memberships.find(({ tenant_slug }) => tenant_slug === slug)?.role;
  const tenant = tenants?.find((each) => each.slug === slug) ?? { slug, name: slug };
  return html`
    <a class="skip" href="#main">Skip to content</a>
    <${Sidebar} here=${name} slug=${slug ?? first} me=${me} tenants=${tenants} role=${role} platform=${platform} />
    <main id="main" tabindex="-1" key=${`${slug}/${name}/${id}`}>
      ${nowhere
        ? html`<${View} title="Welcome"><${Empty}>You belong to no tenant yet. Ask one of its admins to invite you.<//><//>`
        : place
          ? html`<${Guarded} place=${place} tenant=${tenant} role=${role} me=${me ?? {}} id=${id} query=${query} base=${`/console/t/${slug}`} />`
          : html`<${View} title="Not found"><${Failure} problem=${{ kind: "missing", message: "The console has no such page." }} /><//>`}
      <footer>Times are in ${ZONE}. <a href="/routes/docs" target="_blank" rel="noopener">API documentation</a></footer>
    </main>`;
};

/** The other views, one after another: they then open at once, and stay those of this release when the next one comes. */
const fetchOthers = async (places) => {
  for (const place of places) await fetchView(place).catch(() => {});
};

/** A view that breaks, or does not come, says so, and leaves the rest of the page as it is. */
const Guarded = ({ place, ...given }) => {
  const [error] = useErrorBoundary((thrown) => console.error(thrown));
  const { view, problem } = useView(place);
  if (error || problem) return html`<${View} title=${place.title}><${Failure} problem=${error ?? problem} again=${() => location.reload()} /><//>`;
  return view ? html`<${view} ...${given} />` : html`<${Loading} />`;
};

const Sidebar = ({ me, tenants, ...where }) => html`
  <nav class="sidebar" aria-label="Console">
    <a class="brand" href="/console"><img src=${new URL("icon.svg", import.meta.url).href} alt="" width="26" height="26" />FloMastr</a>
    ${me && tenants ? html`<${Ways} me=${me} tenants=${tenants} ...${where} />` : html`<${Loading} />`}
    <p class="who">${session.name}<button class="quiet" onClick=${session.signOut}>Sign out</button></p>
  </nav>`;

const Ways = ({ here, slug, me, tenants, role, platform }) => html`
  ${tenants.length > 0 && html`
    <label class="field tenant"><span class="visually-hidden">Tenant</span>
      <select value=${slug} onChange=${({ target }) => go(`/console/t/${target.value}/${platform ? "overview" : here}`)}>
        ${tenants.map((each) => html`<option value=${each.slug} selected=${each.slug === slug}>${each.name}</option>`)}
      </select>
    </label>
    <${Places} places=${TENANT.filter(({ least }) => least && allowed(role ?? "member", least))} base=${`/console/t/${slug}`} here=${platform ? "" : here} />`}
  ${me.is_super_admin && html`<h2>Platform</h2><${Places} places=${PLATFORM} base="/console/platform" here=${platform ? here : ""} />`}`;

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
const { place = TENANT[0] } = placeOf(location.pathname);
fetchView(place).catch(() => {}); // beside the sign-in; the place itself says what went wrong
begin().then(
  () => render(html`<${App} />`, document.getElementById("app")),
  () => render(html`<main class="gate"><${Failure} problem=${{ kind: "offline", message: "The console could not be started." }} again=${() => location.reload()} /></main>`, document.getElementById("app")),
);
