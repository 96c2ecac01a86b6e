-- Events in an order that a consumer can stop in and go on from: that of batch_id.
--
-- Not that of xid: a transaction has its xid from its first lock on, and may then wait for another member's.
-- Who holds that one has the higher xid and books first, so by xid a member's events would come in the wrong
-- order. batch_id is drawn with the insert, when all members of the batch are locked: transactions that share a
-- member draw theirs in the order in which they book.
--
-- Transactions do not commit in that order, so the greatest batch_id that can be seen says nothing of those
-- below. Readers stay below every batch_id that a running transaction may have drawn; see rights.outbox_seen.
-- What that needs of writers: that the xid is there before batch_id is drawn. The default of `xid`, the column
-- before it, makes it so even for a transaction that has done nothing else yet. The sequence must keep CACHE 1.
ALTER TABLE rights.outbox
    DROP CONSTRAINT outbox_pkey,
    ADD PRIMARY KEY (tenant_id, batch_id);

-- A consumer is there from its first stream on; `acked_at` is null until it acknowledges something.
ALTER TABLE rights.event_consumer
    DROP COLUMN xid,
    ALTER COLUMN acked_at DROP NOT NULL,
    ALTER COLUMN acked_at DROP DEFAULT,
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();

-- Up to where retention has dropped a tenant's events: who has not come so far has missed some.
CREATE TABLE rights.event_floor (
    tenant_id text COLLATE "C" PRIMARY KEY,
    batch_id  bigint NOT NULL,
    item      int NOT NULL -- index of the row's last event
);

-- What a reader has to know of the transactions that run. `drawn`: the greatest batch_id drawn so far.
-- `next_xid`: every transaction that has drawn one so far has a lower xid. `oldest_xid`: every transaction below
-- has ended. So what was `drawn` once is complete, committed or never to come, as soon as `oldest_xid` has reached
-- the `next_xid` of then.
--
-- pg_snapshot_xmax would not do for next_xid: it is one past the last transaction that has ended, and running
-- ones may be above it. age() counts from there to the transaction counter itself. Each statement of a volatile
-- function has a snapshot of its own: the second one is taken after `drawn` was read.
CREATE FUNCTION rights.outbox_seen(
    OUT drawn bigint, OUT oldest_xid bigint, OUT next_xid bigint
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO drawn FROM rights.outbox_batch_id_seq s;
    SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint + age(pg_snapshot_xmax(s)::xid)
    INTO oldest_xid, next_xid FROM pg_current_snapshot() s;
END $$;
