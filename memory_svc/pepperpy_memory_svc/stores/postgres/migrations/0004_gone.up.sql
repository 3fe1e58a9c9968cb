-- The highest version that was removed from each namespace; what is put after it begins above.
ALTER TABLE namespace ADD COLUMN gone integer NOT NULL DEFAULT 0;
