-- What members do besides ordering, and what they get for it.

ALTER TABLE rights.journal
    DROP CONSTRAINT journal_kind_check,
    ADD CONSTRAINT journal_kind_check CHECK (kind IN (
        'settle', 'reserve', 'confirm', 'cancel', 'lapse', 'refund', 'reverse', 'deliver', 'release',
        'credit', 'top_up', 'grant', 'expire', 'tier', 'transfer',
        'activity', 'claim', 'enrol', 'take_task'));
