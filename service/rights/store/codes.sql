-- Pools of codes: what operators ask for. What redeeming needs is in queries.sql.

-- name: add_pool
INSERT INTO rights.code_pool (tenant_id, pool_id, template_id, asset, units, origin, expire_days, lot_expires_ms,
                              redeem_until_ms, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING

-- name: lock_pool
-- A pool, with what its generations are to have; one at a time begins another one.
WITH locked AS (
    SELECT * FROM rights.code_pool WHERE tenant_id = $1 AND pool_id = $2 FOR NO KEY UPDATE
)
SELECT pool_id, template_id, asset, units, origin, expire_days, lot_expires_ms, redeem_until_ms,
       revoked_ms IS NOT NULL AS is_revoked,
       (SELECT coalesce(sum(g.codes), 0)::bigint FROM rights.code_generation g
        WHERE g.tenant_id = $1 AND g.pool_id = $2) AS codes
FROM locked

-- name: add_generation
INSERT INTO rights.code_generation (tenant_id, caller, idempotency_key, digest, pool_id, codes, seed, started_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING pool_id

-- name: generation
SELECT digest, pool_id, codes, stored, seed FROM rights.code_generation
WHERE tenant_id = $1 AND caller = $2 AND idempotency_key = $3

-- name: lock_generation
-- How far a generation has come; null: it is sealed. One at a time adds codes to it.
SELECT CASE WHEN seed IS NOT NULL THEN stored END FROM rights.code_generation
WHERE tenant_id = $1 AND caller = $2 AND idempotency_key = $3 FOR NO KEY UPDATE

-- name: set_stored
UPDATE rights.code_generation SET stored = $4 WHERE tenant_id = $1 AND caller = $2 AND idempotency_key = $3

-- name: seal
UPDATE rights.code_generation SET seed = NULL
WHERE tenant_id = $1 AND caller = $2 AND idempotency_key = $3 RETURNING pool_id

-- name: seal_old
-- Seals what has been forgotten.
UPDATE rights.code_generation SET seed = NULL WHERE seed IS NOT NULL AND started_ms < $1

-- name: pool
-- A pool with the number of its codes, and of those that are redeemed.
SELECT p.pool_id, p.template_id, p.asset, p.units, p.origin, p.expire_days, p.lot_expires_ms, p.redeem_until_ms,
       p.revoked_ms IS NOT NULL AS is_revoked, p.created_ms, p.revoked_ms, g.codes, g.unsealed,
       (SELECT count(*) FROM rights.code c
        WHERE c.tenant_id = p.tenant_id AND c.pool_id = p.pool_id AND c.redeemed_by IS NOT NULL) AS redeemed
FROM rights.code_pool p,
     LATERAL (SELECT coalesce(sum(stored), 0)::bigint AS codes, count(*) FILTER (WHERE seed IS NOT NULL) AS unsealed
              FROM rights.code_generation g WHERE g.tenant_id = p.tenant_id AND g.pool_id = p.pool_id) g
WHERE p.tenant_id = $1 AND p.pool_id = $2

-- name: revoke_pool
UPDATE rights.code_pool SET revoked_ms = $3 WHERE tenant_id = $1 AND pool_id = $2 AND revoked_ms IS NULL
RETURNING pool_id
