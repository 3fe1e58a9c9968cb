-- Forgets which versions were removed, so that what is put begins with 1 again.
ALTER TABLE namespace DROP COLUMN gone;
