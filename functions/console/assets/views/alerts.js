/* Alerts that the tenant has set, and what fired. */

import { html } from "../vendor/htm-preact.js";
import { useLoaded } from "../hooks.js";
import { Card, Empty, Loaded, View } from "../ui.js";

export const Alerts = () => {
  const alerts = useLoaded("/routes/alerts");
  return html`
    <${View} title="Alerts" about="What is watched, and what fired.">
      <${Card}><${Loaded} of=${alerts}>${(rows) => html`<${Empty}>${rows.length}<//>`}<//><//>
    <//>`;
};
