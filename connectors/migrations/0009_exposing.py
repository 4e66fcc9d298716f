from django.db import migrations

# The broker writes down what a server says of a tool. That a tool is exposed is for people to say, and so for the
# portal's role: with its own rights alone, a broker that was taken over gives no tool to anybody.
EXPOSING = """
CREATE FUNCTION border.only_people_expose() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_user <> 'msplex_app' THEN
        RAISE EXCEPTION '% exposes no tool', current_user USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION border.only_people_expose() FROM PUBLIC;
CREATE TRIGGER only_people_expose BEFORE INSERT OR UPDATE ON content.connectors_importedtool
    FOR EACH ROW WHEN (NEW.state = 'exposed') EXECUTE FUNCTION border.only_people_expose();
"""
UNDO = """
DROP TRIGGER only_people_expose ON content.connectors_importedtool;
DROP FUNCTION border.only_people_expose();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0008_imported"),
    ]

    operations = [
        migrations.RunSQL(EXPOSING, UNDO),
    ]
