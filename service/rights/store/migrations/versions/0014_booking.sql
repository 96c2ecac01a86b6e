-- Books a whole batch in one statement, which is sent together with COMMIT: a procedure, since that has no rows. Nothing here
-- changes what is stored.
--
-- What refuses is an error now, and ends the transaction: a claim that another process has made (the unique violation of
-- claim_pkey), or budgets that have not so much left (RB001, with how many). The batch is rolled back and decided again. To
-- catch it here would take a subtransaction, and a transaction id more, for every batch.
--
-- Budgets come last, because everyone waits for them: they are locked for as long as the log is written.
--
-- A batch comes as a document for each table, null where nothing is written to it: arrays of rows, which are arrays.
CREATE PROCEDURE rights.book_batch(
    p_recorded_ms bigint,
    -- [tenant, member, entry, kind, caller, key, digest in hex, order, settlement, version, rejection, postings, usages,
    -- coupons, facts, order that it takes]; and what each was asked and answered, one after the other, with where each
    -- begins in it, and then its end
    p_entries jsonb, p_request bytea, p_request_at int[], p_response bytea, p_response_at int[],
    p_freed jsonb,   -- orders free again: [tenant, order]
    p_wallets jsonb, -- [tenant, member, lots, counters, holds, pending, debts, membership, due_ms]
    p_granted jsonb, -- coupons: [tenant, member, coupon, template, starts_ms, expires_ms]
    p_coupons jsonb, -- coupons whose state changed: [tenant, member, coupon, state, redeemed_by]
    p_states jsonb,  -- of settlements: [tenant, member, settlement, state, changed_by, expires_ms, kept]
    p_events jsonb,  -- [tenant, [event, ...]]
    p_merged jsonb,  -- members whose rows go to others: [tenant, member, to whom]; after all that the batch itself gave them
    p_budgets jsonb  -- see rights.take_budgets
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    written bigint;
    refused bigint;
BEGIN
    IF p_freed IS NOT NULL THEN
        DELETE FROM rights.claim c USING jsonb_array_elements(p_freed) AS f
        WHERE c.tenant_id = f ->> 0 AND c.scope = 'order' AND c.claim_key = f ->> 1;
    END IF;
    -- Not ON CONFLICT DO NOTHING, which searches the index twice and logs each row twice: one refusal suffices.
    INSERT INTO rights.claim (tenant_id, scope, claim_key, member_id, entry_id, digest)
    SELECT * FROM (
        SELECT (e ->> 0) COLLATE "C", ('key/' || (e ->> 4)) COLLATE "C", (e ->> 5) COLLATE "C", e ->> 1, e ->> 2,
               decode(e ->> 6, 'hex')
        FROM jsonb_array_elements(p_entries) AS e WHERE e ->> 5 IS NOT NULL
        UNION ALL
        SELECT e ->> 0, 'order', e ->> 15, e ->> 1, e ->> 2, NULL
        FROM jsonb_array_elements(p_entries) AS e WHERE e ->> 15 IS NOT NULL
    ) AS claims ORDER BY 1, 2, 3;

    INSERT INTO rights.journal (tenant_id, member_id, entry_id, kind, recorded_ms, caller,
        idempotency_key, order_id, settlement_id, rulebook_version, rejection, postings, usages, coupons,
        facts, request, response)
    SELECT e ->> 0, e ->> 1, e ->> 2, e ->> 3, p_recorded_ms, e ->> 4, e ->> 5, e ->> 7, e ->> 8, (e -> 9)::bigint,
           e ->> 10, e -> 11, e -> 12, e -> 13, nullif(e -> 14, 'null'),
           substring(p_request, p_request_at[i], p_request_at[i + 1] - p_request_at[i]),
           substring(p_response, p_response_at[i], p_response_at[i + 1] - p_response_at[i])
    FROM jsonb_array_elements(p_entries) WITH ORDINALITY AS j (e, i);

    IF p_wallets IS NOT NULL THEN
        UPDATE rights.member m
        SET lots = w -> 2, counters = w -> 3, holds = w -> 4, pending = w -> 5, debts = w -> 6, membership = w -> 7,
            due_ms = (w ->> 8)::bigint
        FROM jsonb_array_elements(p_wallets) AS w
        WHERE m.tenant_id = w ->> 0 AND m.member_id = w ->> 1;
    END IF;

    IF p_granted IS NOT NULL THEN
        INSERT INTO rights.coupon (tenant_id, member_id, coupon_id, template_id, starts_ms, expires_ms)
        SELECT g ->> 0, g ->> 1, g ->> 2, g ->> 3, (g -> 4)::bigint, (g ->> 5)::bigint
        FROM jsonb_array_elements(p_granted) AS g;
    END IF;

    IF p_coupons IS NOT NULL THEN
        UPDATE rights.coupon k SET state = c ->> 3, redeemed_by = c ->> 4
        FROM jsonb_array_elements(p_coupons) AS c
        WHERE k.tenant_id = c ->> 0 AND k.member_id = c ->> 1 AND k.coupon_id = c ->> 2
          AND (k.state, k.redeemed_by) IS DISTINCT FROM (c ->> 3, c ->> 4);
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> jsonb_array_length(p_coupons) THEN
            -- The member's lock makes this impossible; a broken invariant must not be booked.
            RAISE EXCEPTION 'coupon state changed under the lock of its member';
        END IF;
    END IF;

    IF p_states IS NOT NULL THEN
        INSERT INTO rights.settlement_state (
            tenant_id, member_id, settlement_id, state, changed_by, expires_ms, kept)
        SELECT s ->> 0, s ->> 1, s ->> 2, s ->> 3, s ->> 4, (s ->> 5)::bigint, nullif(s -> 6, 'null')
        FROM jsonb_array_elements(p_states) AS s
        ON CONFLICT (tenant_id, member_id, settlement_id)
        DO UPDATE SET state = excluded.state, changed_by = excluded.changed_by,
                      expires_ms = excluded.expires_ms, kept = excluded.kept;
    END IF;

    IF p_events IS NOT NULL THEN
        INSERT INTO rights.outbox (tenant_id, recorded_ms, events)
        SELECT e ->> 0, p_recorded_ms, e -> 1 FROM jsonb_array_elements(p_events) AS e;
    END IF;

    IF p_merged IS NOT NULL THEN
        PERFORM rights.move_member_rows(array_agg(g ->> 0), array_agg(g ->> 1), array_agg(g ->> 2))
        FROM jsonb_array_elements(p_merged) AS g;
    END IF;

    IF p_budgets IS NOT NULL THEN
        refused := rights.take_budgets(p_recorded_ms, p_budgets);
        IF refused > 0 THEN
            RAISE EXCEPTION '%', refused USING ERRCODE = 'RB001';
        END IF;
    END IF;
END $$;

-- What only workers of two versions ago call.
DROP FUNCTION rights.open_batch(text[], text[], text[], text[], text[], text[], text[], text[], bigint, boolean);
