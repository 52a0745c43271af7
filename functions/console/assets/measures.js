/* What is said of measures of analytics. */

import { html } from "./vendor/htm-preact.js";
import { number } from "./format.js";

export const failures = ({ error, crashed }) => error + crashed;

/** How much more or less than in the period before, as `format` says it. Nothing where it is the same, or not known. */
export const Change = ({ now, then, format = number, moreIsBad = false }) => {
  if (now === null || then === null || now === then) return null;
  const more = now > then;
  return html`<small class=${more && moreIsBad ? "bad" : ""} title=${`${format(then)} in the period before`}>${more ? "+" : "−"}${format(Math.abs(now - then))}</small>`;
};
