-- `/routes/analytics/...` is no tenant's.
INSERT INTO app.reserved_slugs (slug) VALUES ('analytics');
