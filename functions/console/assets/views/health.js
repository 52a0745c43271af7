/* Whether the platform is ready, what it runs on, and the erasures of all tenants. */

import { html } from "../vendor/htm-preact.js";
import { useLoaded } from "../hooks.js";
import { Erasures } from "../parts/erasures.js";
import { Badge, Card, Figure, Figures, Loaded, View } from "../ui.js";

export const Health = () => {
  const ready = useLoaded("/routes/health/ready");
  const versions = useLoaded("/routes/health/versions");
  return html`
    <${View} title="Health and erasures" about="Of the whole platform.">
      <${Card} title="Readiness"><${Loaded} of=${ready}>${({ status }) => html`<p><${Badge} tone="success">${status}<//></p>`}<//>
        <${Loaded} of=${versions}>${(found) => html`<${Versions} ...${found} />`}<//>
      <//>
      <${Erasures} path="/routes/erasures" />
    <//>`;
};

const Versions = ({ postgres, pgvector, migration, needed_migration, missing_functions }) => html`
  <${Figures}>
    <${Figure} name="Postgres" value=${postgres} note=${`pgvector ${pgvector}`} />
    <${Figure} name="Last migration" value=${migration} note=${migration < needed_migration && `the code needs ${needed_migration}`} tone=${migration < needed_migration ? "bad" : ""} />
    ${missing_functions.length > 0 && html`<${Figure} name="Missing in the schema" value=${missing_functions.join(", ")} tone="bad" />`}
  <//>`;
