-- What n8n reported and could not be recorded is kept while its tenant has a hold.
CREATE TRIGGER keep_held BEFORE DELETE ON app.n8n_rejections
FOR EACH ROW EXECUTE FUNCTION app.keep_held('wholly_of_tenant');
