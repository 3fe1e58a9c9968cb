-- Loses the earlier versions of entries.
DROP TABLE history;
