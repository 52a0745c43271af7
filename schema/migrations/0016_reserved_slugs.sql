-- Words of the API's own paths. A tenant of such a slug could not be reached where {slug} stands beside them.
-- A new word comes with a migration of its own; a tenant that has it already keeps it.

CREATE TABLE app.reserved_slugs (slug text PRIMARY KEY);
INSERT INTO app.reserved_slugs (slug) VALUES
('api'), ('api-keys'), ('branding'), ('docs'), ('erasures'), ('hard-delete'), ('health'), ('history'), ('index'),
('knowledge'), ('knowledge-bases'), ('legal-holds'), ('me'), ('n8n'), ('reactivate'), ('resolve-tenant'), ('restore'),
('soft-delete'), ('status'), ('suspend'), ('tenants'), ('undelete'), ('user-preferences'), ('users'), ('webchat'),
('workflow-executions'), ('workflows');

CREATE FUNCTION app.refuse_reserved_slug()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM app.reserved_slugs AS r WHERE r.slug = new.slug) THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value',
      message = 'body.slug: is a word of the API''s own paths';
  END IF;
  RETURN new;
END
$$;
REVOKE ALL ON FUNCTION app.refuse_reserved_slug FROM PUBLIC;
CREATE TRIGGER refuse_reserved_slug BEFORE INSERT OR UPDATE OF slug ON app.tenants
FOR EACH ROW EXECUTE FUNCTION app.refuse_reserved_slug();
