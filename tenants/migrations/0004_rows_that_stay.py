from django.db import migrations

# One function for all companies' audit tables: a trigger of theirs calls it. Rows are never changed; they are deleted
# only by who has said in the same transaction that this is the forgetting that somebody has set (`audit.recording`).
FUNCTION = """
CREATE FUNCTION public.wharf_keep_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('wharf.audit_forgets', true) = 'yes' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_external_id")]

    operations = [migrations.RunSQL(FUNCTION, "DROP FUNCTION public.wharf_keep_row()")]
