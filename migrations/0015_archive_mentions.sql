-- Orders of others that mention an erased person: which, where, and whether the mention was replaced or stays.
ALTER TABLE archive_erasures ADD COLUMN mentions jsonb NOT NULL DEFAULT '[]';
