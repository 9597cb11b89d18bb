DROP TABLE audit_events;
DROP FUNCTION refuse_to_change_audit_events;
