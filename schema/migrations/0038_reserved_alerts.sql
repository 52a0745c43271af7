-- Paths of alerts begin with this word, where a tenant's slug may stand.
INSERT INTO app.reserved_slugs (slug) VALUES ('alerts');
