/* Roles of a tenant: each has what the one before it has, and more. */

const ORDER = ["member", "admin", "owner"];

export const allowed = (role, least) => ORDER.indexOf(role) >= ORDER.indexOf(least);
