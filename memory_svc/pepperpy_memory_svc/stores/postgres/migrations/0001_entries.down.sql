-- Loses all entries.
DROP TABLE entry;
DROP SEQUENCE entry_nr;
DROP TABLE namespace;
