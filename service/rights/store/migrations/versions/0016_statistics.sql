-- Statistics that cost little. Nothing here changes what is stored.
--
-- Under load PostgreSQL analyzes these tables every minute. By default it sorts a sample of 30,000 values of each column.
-- After 130,000 settlements that took 1.2 seconds of a core, most of it for documents, and at half load settlements waited
-- for four seconds as in an overload. Rows are found by their keys, of which ten values tell a planner enough, from a sample
-- of 3,000; what looks into documents has rows of one tenant, member or period already, or reads all of them.
DO $$
DECLARE
    each record;
BEGIN
    FOR each IN
        SELECT a.attrelid::regclass AS of_table, a.attname AS name,
               a.atttypid IN ('jsonb'::regtype, 'bytea'::regtype, 'text[]'::regtype) AS is_document
        FROM pg_attribute AS a
        WHERE a.attnum > 0 AND NOT a.attisdropped
          AND a.attrelid IN ('rights.journal'::regclass, 'rights.claim'::regclass, 'rights.member'::regclass,
                             'rights.coupon'::regclass, 'rights.settlement_state'::regclass, 'rights.outbox'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', each.of_table, each.name,
                       CASE WHEN each.is_document THEN 0 ELSE 10 END);
    END LOOP;
END $$;

-- An index's expression is a column of its own here, and would have the table's sample be large again.
ALTER INDEX rights.member_merged ALTER COLUMN 2 SET STATISTICS 0;

-- What only workers of two versions ago call.
DROP FUNCTION rights.open_batch(
    text[], text[], text[], text[], text[], text[], text[], text[], bigint, boolean, int[]);
