"""Which tenants each sweep has to come to. What a question leaves out, the sweep passes over until the daily walk:
rather too many tenants than one too few. tests/tenants/test_surveys.py holds each to the work it is for.
"""

from django.db import migrations

from tenants.isolation.surveys import count, question, surveyed_table

SURVEYED = (
    "approvals_approvalrequest", "approvals_delivery", "approvals_grantuse", "approvals_heldgrant",
    "approvals_notification", "approvals_notificationchannels", "approvals_notificationcursor", "approvals_recipient",
    "audit_alert", "audit_alerthit", "audit_checkpointsignature", "audit_epoch", "audit_handoverdomain", "audit_leaf",
    "audit_pack",
    "billing_customercounter", "billing_quotacounter",
    "connectors_clientlist", "connectors_connectorinstance", "connectors_credential", "connectors_dryrun",
    "connectors_hook", "connectors_idempotencykey", "connectors_keptanswer", "connectors_owncredential",
    "connectors_signalpull", "connectors_toolcall",
    "identity_agentsession", "identity_attempts", "identity_customerpermission", "identity_emailchange",
    "identity_mail", "identity_passwordreset", "identity_rolebinding", "identity_securitypolicy", "identity_session",
    "identity_spentassertion", "identity_spentchallenge",
    "tenants_customer", "tenants_entitlement",
)  # fmt: skip

_LATE_REQUESTS = """
    SELECT tenant_id FROM content.approvals_approvalrequest WHERE state = 'pending' AND decide_by <= moment
    UNION ALL SELECT tenant_id FROM content.approvals_approvalrequest
     WHERE state = 'approved' AND (execute_by <= moment OR approved_at < untaken AND terms <> '{}')
    UNION ALL SELECT tenant_id FROM content.approvals_heldgrant WHERE state = 'held' AND not_after <= moment
    UNION ALL SELECT tenant_id FROM content.approvals_grantuse WHERE state = 'received' AND received_at < untaken
"""

# A tree has no gaps, so that what is after the cursor is either its next leaf or in a later tree.
_UNREAD_LOG = """
    SELECT tenant.id FROM provider.tenant
      LEFT JOIN content.approvals_notificationcursor reader ON reader.tenant_id = tenant.id
     WHERE EXISTS (
        SELECT FROM content.audit_leaf leaf WHERE leaf.tenant_id = tenant.id
           AND leaf.epoch = coalesce(reader.epoch, 0) AND leaf.index >= coalesce(reader.next, 0)
     ) OR EXISTS (
        SELECT FROM content.audit_leaf leaf WHERE leaf.tenant_id = tenant.id AND leaf.epoch > coalesce(reader.epoch, 0)
     )
"""

_MESSAGES = """
    SELECT tenant_id FROM content.approvals_delivery WHERE state = 'queued' AND next_try_at <= moment
    UNION ALL SELECT told.tenant_id FROM content.approvals_notification told
      LEFT JOIN content.approvals_notificationchannels channels ON channels.tenant_id = told.tenant_id
     WHERE told.state = 'open' AND told.escalated_at IS NULL AND told.severity IN ('warning', 'critical')
       AND (told.shared OR told.kind = 'approval_needed') AND coalesce(channels.escalate_minutes, 30) > 0
       AND told.first_at <= moment - make_interval(mins => coalesce(channels.escalate_minutes, 30))
       AND NOT EXISTS (
           SELECT FROM content.approvals_recipient seen
            WHERE seen.tenant_id = told.tenant_id AND seen.notification_id = told.id
              AND (seen.acknowledged_at IS NOT NULL OR seen.snoozed_until IS NOT NULL))
"""

# An epoch that is over has its last packs when one of each customer reaches its end.
_PACKS = """
    SELECT tenant_id FROM content.audit_pack
     WHERE state NOT IN ('ready', 'failed') AND (leased_until IS NULL OR leased_until < moment)
    UNION ALL SELECT customer.tenant_id FROM content.tenants_customer customer
      JOIN content.audit_epoch epoch ON epoch.tenant_id = customer.tenant_id
     WHERE greatest(customer.created_at, epoch.opened_at) < this_month
       AND EXISTS (
           SELECT FROM content.audit_checkpointsignature signed
            WHERE signed.tenant_id = epoch.tenant_id AND signed.epoch = epoch.number AND signed.size > 0)
       AND NOT EXISTS (
           SELECT FROM content.audit_pack pack
            WHERE pack.tenant_id = customer.tenant_id AND pack.customer_id = customer.id AND pack.epoch = epoch.number
              AND NOT pack.interim AND pack.domain = ''
              AND (pack.month >= to_char((this_month - interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM')
                   OR pack.size >= (
                       SELECT max(signed.size) FROM content.audit_checkpointsignature signed
                        WHERE signed.tenant_id = epoch.tenant_id AND signed.epoch = epoch.number)
                  AND EXISTS (
                       SELECT FROM content.audit_epoch later
                        WHERE later.tenant_id = epoch.tenant_id AND later.number > epoch.number)))
"""

_ALERT_HITS = """
    SELECT hit.tenant_id FROM content.audit_alerthit hit
     WHERE hit.id < foldable OR hit.id >= recent AND NOT EXISTS (
        SELECT FROM content.audit_alert alert
         WHERE alert.tenant_id = hit.tenant_id AND alert.key = hit.key AND alert.state = 'open')
"""

_NEAR_QUOTA = """
    SELECT counter.tenant_id FROM content.billing_quotacounter counter
      JOIN content.tenants_entitlement held ON held.tenant_id = counter.tenant_id AND held.connector = counter.connector
     WHERE counter.month = this_month AND held.included_calls > 0 AND EXISTS (
        SELECT FROM unnest(levels) level
         WHERE counter.used * 100::bigint >= held.included_calls * level AND counter.warned < level)
    UNION ALL SELECT counter.tenant_id FROM content.billing_customercounter counter
      JOIN content.tenants_customer customer ON customer.tenant_id = counter.tenant_id AND customer.id = counter.customer_id
     WHERE counter.month = this_month AND customer.monthly_calls > 0 AND EXISTS (
        SELECT FROM unnest(levels) level
         WHERE counter.used * 100::bigint >= customer.monthly_calls * level AND counter.warned < level)
"""

# As connectors.selectors.askable: set up, not retired, and in the plan.
_ASKABLE = """instance.configured_at IS NOT NULL AND instance.state <> 'retired' AND EXISTS (
        SELECT FROM content.tenants_entitlement held
         WHERE held.tenant_id = instance.tenant_id AND held.connector = instance.connector
           AND (held.valid_until IS NULL OR held.valid_until > moment))"""

_CHECKS = f"""
    SELECT instance.tenant_id FROM content.connectors_connectorinstance instance
      JOIN unnest(keys, seconds) entry (key, pause) ON entry.key = instance.connector
     WHERE {_ASKABLE} AND (
        instance.check_asked_at <= moment - lost
            AND instance.check_asked_at > coalesce(instance.health_checked_at, '-infinity')
        OR instance.state <> 'inactive' AND (instance.health_checked_at IS NULL
            OR instance.health_checked_at <= moment - make_interval(secs => least(
                entry.pause * 2 ^ least(greatest(instance.health_failures - 3, 0), 10), greatest(3600, entry.pause)))))
    UNION ALL SELECT own.tenant_id FROM content.connectors_owncredential own
      JOIN content.connectors_connectorinstance instance ON instance.tenant_id = own.tenant_id AND instance.id = own.instance_id
     WHERE {_ASKABLE} AND (
        own.check_asked_at <= moment - lost AND own.check_asked_at > coalesce(own.health_checked_at, '-infinity')
        OR instance.state <> 'inactive' AND own.health_checked_at <= moment - make_interval(secs =>
            CASE WHEN own.health_failures = 0 THEN 1800 ELSE least(300 * 2 ^ least(own.health_failures - 1, 9), 3600)
            END))
"""  # noqa: S608

# Each has a minute of its own (connectors.clients); a list that a person asked for at another time is a day old first.
_CLIENT_LISTS = f"""
    SELECT instance.tenant_id FROM content.connectors_connectorinstance instance
      LEFT JOIN content.connectors_clientlist listed
        ON listed.tenant_id = instance.tenant_id AND listed.instance_id = instance.id
     WHERE {_ASKABLE} AND instance.connector = ANY (listing)
       AND (instance.state = 'active' OR listed.asked_at IS NOT NULL)
       AND (listed.fetched_at IS NULL OR listed.fetched_at < listed.asked_at OR listed.fetched_at <= old
            OR listed.fetched_at <= again AND listed.code = ANY (retryable))
"""  # noqa: S608

# Everything but what is in order, and known to be: the walk looks at it, and says what is new.
_TO_NOTICE = """
    SELECT instance.tenant_id FROM content.connectors_connectorinstance instance
      LEFT JOIN unnest(keys, fresh) entry (key, since) ON entry.key = instance.connector
     WHERE instance.state = 'active' AND (
        instance.noticed <> '' OR instance.health NOT IN ('healthy', 'degraded')
        OR coalesce(instance.health_ok_at < entry.since, true)
        OR NOT EXISTS (
            SELECT FROM content.tenants_entitlement held
             WHERE held.tenant_id = instance.tenant_id AND held.connector = instance.connector
               AND (held.valid_until IS NULL OR held.valid_until > moment)))
    UNION ALL SELECT own.tenant_id FROM content.connectors_owncredential own
      JOIN content.connectors_connectorinstance instance ON instance.tenant_id = own.tenant_id AND instance.id = own.instance_id
     WHERE instance.state = 'active' AND (
        own.noticed <> '' OR own.health NOT IN ('healthy', 'degraded')
        OR coalesce(own.health_ok_at < own_fresh, true))
    UNION ALL SELECT credential.tenant_id FROM content.connectors_credential credential
      JOIN content.connectors_connectorinstance instance
        ON instance.tenant_id = credential.tenant_id AND instance.id = credential.instance_id
     WHERE instance.state <> 'retired' AND (
        EXISTS (
            SELECT FROM unnest(warnings) days WHERE credential.expires_on <= today + days
               AND coalesce(credential.warned_days > days, true))
        OR credential.expires_on < today AND instance.state = 'active'
            AND (instance.noticed = '' OR credential.customer_id IS NOT NULL))
       AND NOT EXISTS (
           SELECT FROM content.connectors_credential newer
            WHERE newer.tenant_id = credential.tenant_id AND newer.instance_id = credential.instance_id
              AND newer.customer_id IS NOT DISTINCT FROM credential.customer_id AND newer.version > credential.version)
       AND (credential.customer_id IS NULL OR EXISTS (
           SELECT FROM content.connectors_owncredential own
            WHERE own.tenant_id = credential.tenant_id AND own.instance_id = credential.instance_id
              AND own.customer_id = credential.customer_id
              AND (own.noticed = '' OR credential.expires_on >= today)))
"""

_PULLS = f"""
    SELECT instance.tenant_id FROM content.connectors_connectorinstance instance
     WHERE {_ASKABLE} AND instance.state = 'active' AND instance.connector = ANY (telling) AND NOT EXISTS (
        SELECT FROM content.connectors_signalpull pull
         WHERE pull.tenant_id = instance.tenant_id AND pull.instance_id = instance.id AND pull.pulled_at > lately
           AND NOT (pull.pulled_at <= nudged AND EXISTS (
               SELECT FROM content.connectors_hook hook
                WHERE hook.tenant_id = pull.tenant_id AND hook.instance_id = pull.instance_id
                  AND hook.nudged_at > pull.pulled_at)))
"""  # noqa: S608

_READINGS = f"""
    SELECT instance.tenant_id FROM content.connectors_connectorinstance instance
     WHERE {_ASKABLE} AND instance.state = 'active' AND instance.connector = ANY (telling)
       AND coalesce(instance.settings ->> 'asset_product', '') <> ''
"""  # noqa: S608

_DISCOVERIES = f"""
    SELECT instance.tenant_id FROM content.connectors_connectorinstance instance
     WHERE {_ASKABLE} AND instance.state <> 'inactive' AND instance.connector = ANY (offering)
    UNION ALL SELECT tenant_id FROM content.connectors_dryrun WHERE asked_at < old
"""  # noqa: S608

# By the index of each tenant's calls by state: a few steps for a tenant, however many calls have ended.
_LOST_CALLS = """
    SELECT tenant.id FROM provider.tenant, unnest(ARRAY['queued', 'running']) waits
     WHERE EXISTS (
        SELECT FROM content.connectors_toolcall call
         WHERE call.tenant_id = tenant.id AND call.state = waits AND call.created_at < before)
"""

_OLD_NAMES = """
    SELECT tenant_id FROM content.connectors_idempotencykey
     WHERE created_at < named OR kept_at < kept AND result IS NOT NULL
    UNION ALL SELECT tenant_id FROM content.connectors_keptanswer WHERE kept_at <= answered
"""

_ENDED_ROLES = """
    SELECT binding.tenant_id FROM content.identity_rolebinding binding
      JOIN content.identity_customerpermission permission ON permission.tenant_id = binding.tenant_id
       AND permission.user_id = binding.principal_id AND permission.customer_id = binding.customer_id
     WHERE binding.expires_at <= moment
"""

_OVERDUE_SESSIONS = """
    SELECT session.tenant_id FROM content.identity_session session
      LEFT JOIN content.identity_securitypolicy policy ON policy.tenant_id = session.tenant_id
     WHERE session.ended_at IS NULL AND (
        session.last_seen_at <= moment - make_interval(mins => coalesce(policy.idle_minutes, idle))
        OR session.expires_at <= moment
        OR session.created_at <= moment - make_interval(mins => coalesce(policy.session_minutes, longest)))
    UNION ALL SELECT tenant_id FROM content.identity_spentchallenge WHERE spent_at < old
"""

_OLD_SESSIONS_OF_AGENTS = """
    SELECT tenant_id FROM content.identity_agentsession WHERE ended_at < before OR expires_at < before
    UNION ALL SELECT tenant_id FROM content.identity_spentassertion WHERE expires_at < late
"""

_MAIL = """
    SELECT tenant_id FROM content.identity_mail WHERE state = 'queued' AND next_try_at <= moment
    UNION ALL SELECT tenant_id FROM content.audit_alert WHERE state = 'open' AND severity = 'high' AND told_at IS NULL
"""

_LEFTOVERS = """
    SELECT tenant_id FROM content.identity_passwordreset WHERE expires_at <= moment
    UNION ALL SELECT tenant_id FROM content.identity_emailchange
     WHERE confirmed_at IS NULL AND expires_at <= moment OR undo_until <= moment
    UNION ALL SELECT tenant_id FROM content.identity_mail WHERE id < old_mail AND finished_at IS NOT NULL
    UNION ALL SELECT tenant_id FROM content.identity_attempts WHERE last_at < forgotten
"""

_HANDOVER_DOMAINS = """
    SELECT tenant_id FROM content.audit_handoverdomain WHERE verified_at IS NOT NULL AND checked_at < before
"""

# Ids end in random bits, so the tenants are spread evenly over the round, and each has its place in it for good.
TURNS = """
CREATE TABLE border.turn (
    sweep text PRIMARY KEY,
    upto  timestamptz NOT NULL
);
CREATE FUNCTION border.place_in_turn(tenant uuid) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS
    'SELECT (get_byte(uuid_send($1), 14) * 256 + get_byte(uuid_send($1), 15)) / 65536.0';

-- Of a walk that comes to everybody once in `round`: those whose turn has come since the last time, at most `most` ago.
CREATE FUNCTION border.take_turn(sweep text, moment timestamptz, round interval, most interval) RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seconds double precision := extract(epoch FROM $3);
    since   timestamptz;
    ended   double precision := extract(epoch FROM $2) / seconds;
    began   double precision;
BEGIN
    INSERT INTO border.turn VALUES ($1, $2 - least($3, $4)) ON CONFLICT DO NOTHING;
    SELECT upto INTO since FROM border.turn WHERE turn.sweep = $1 FOR UPDATE;
    UPDATE border.turn SET upto = greatest(upto, $2) WHERE turn.sweep = $1;
    began := extract(epoch FROM greatest(since, $2 - least($3, $4))) / seconds;
    RETURN QUERY SELECT id FROM provider.tenant WHERE active AND opened
        AND floor(began - border.place_in_turn(id)) < floor(ended - border.place_in_turn(id));
END $$;
REVOKE EXECUTE ON FUNCTION border.place_in_turn(uuid) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION border.take_turn(text, timestamptz, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION border.take_turn(text, timestamptz, interval, interval) TO msplex_worker;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("approvals", "0005_deliveries"),
        ("audit", "0004_search"),
        ("billing", "0003_customers_and_bytes"),
        ("connectors", "0014_kept_answers"),
        ("identity", "0006_people"),
        ("tenants", "0007_billed_quantities"),
    ]
    operations = [
        surveyed_table(*SURVEYED),
        question("with_late_requests", "moment timestamptz, untaken timestamptz", _LATE_REQUESTS),
        count("pending_requests", "content.approvals_approvalrequest WHERE state = 'pending'"),
        question("with_unread_log", "", _UNREAD_LOG),
        question("with_messages", "moment timestamptz", _MESSAGES),
        question("with_packs", "moment timestamptz, this_month timestamptz", _PACKS),
        question("with_alert_hits", "foldable uuid, recent uuid", _ALERT_HITS),
        question("with_near_quota", "this_month date, levels int[]", _NEAR_QUOTA),
        question("with_checks", "moment timestamptz, lost interval, keys text[], seconds int[]", _CHECKS),
        question(
            "with_client_lists",
            "moment timestamptz, old timestamptz, again timestamptz, listing text[], retryable text[]",
            _CLIENT_LISTS,
        ),
        question(
            "with_something_to_notice",
            "moment timestamptz, keys text[], fresh timestamptz[], own_fresh timestamptz, today date, warnings int[]",
            _TO_NOTICE,
        ),
        question("with_pulls", "moment timestamptz, lately timestamptz, nudged timestamptz, telling text[]", _PULLS),
        question("with_readings", "moment timestamptz, telling text[]", _READINGS),
        question("with_discoveries", "moment timestamptz, old timestamptz, offering text[]", _DISCOVERIES),
        question("with_lost_calls", "before timestamptz", _LOST_CALLS),
        question("with_old_names", "named timestamptz, kept timestamptz, answered timestamptz", _OLD_NAMES),
        question("with_ended_roles", "moment timestamptz", _ENDED_ROLES),
        question(
            "with_overdue_sessions", "moment timestamptz, idle int, longest int, old timestamptz", _OVERDUE_SESSIONS
        ),
        question("with_old_agent_sessions", "before timestamptz, late timestamptz", _OLD_SESSIONS_OF_AGENTS),
        question("with_mail", "moment timestamptz", _MAIL),
        question("with_leftovers", "moment timestamptz, old_mail uuid, forgotten timestamptz", _LEFTOVERS),
        question("with_handover_domains", "before timestamptz", _HANDOVER_DOMAINS),
        migrations.RunSQL(
            TURNS,
            "DROP FUNCTION border.take_turn(text, timestamptz, interval, interval), border.place_in_turn(uuid);"
            " DROP TABLE border.turn",
        ),
    ]
