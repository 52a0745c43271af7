-- squawk-ignore-file ban-drop-function

-- Plans of recoveries have no long images: they name the changes of the history that have them.
ALTER TYPE app.planned_row ADD ATTRIBUTE seqs bigint [];  -- of the changes that the image is of, where it is long
DROP FUNCTION IF EXISTS app.undone_rows(app.recoveries, text);  -- says more
