-- Loses vectors and words; a service that starts makes them anew from the entries.
DO $$
DECLARE number integer;
BEGIN
    FOR number IN SELECT g.number FROM generation g LOOP
        EXECUTE format('DROP TABLE IF EXISTS vector_%s, doc_%s, posting_%s', number, number, number);
    END LOOP;
END $$;
DROP TABLE corpus;
DROP TABLE generation;
