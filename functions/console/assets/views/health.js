/* Whether the platform is ready, and the erasures of all tenants. */

import { html } from "../vendor/htm-preact.js";
import { useLoaded } from "../hooks.js";
import { Erasures } from "../parts/erasures.js";
import { Badge, Card, Figure, Figures, Loaded, View } from "../ui.js";

export const Health = () => {
  const ready = useLoaded("/routes/health/ready");
  return html`
    <${View} title="Health and erasures" about="Of the whole platform.">
      <${Card} title="Readiness"><${Loaded} of=${ready}>${({ status, postgres, pgvector, migration }) => html`
        <${Figures}>
          <${Figure} name="State" value=${html`<${Badge} tone="success">${status}<//>`} />
          <${Figure} name="Postgres" value=${postgres} note=${`pgvector ${pgvector}`} />
          <${Figure} name="Last migration" value=${migration.split("_")[0]} note=${migration} />
        <//>`}<//><//>
      <${Erasures} path="/routes/erasures" />
    <//>`;
};
