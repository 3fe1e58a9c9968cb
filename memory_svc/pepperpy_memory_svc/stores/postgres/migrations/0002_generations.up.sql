-- Each generation has tables of its own, named by its number: vector_1; or doc_2 and posting_2.
CREATE TABLE generation (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('embedding', 'analyser')),
    name text COLLATE "C" NOT NULL,
    dims integer NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('building', 'current', 'kept')),
    UNIQUE (kind, name)
);

CREATE UNIQUE INDEX generation_current ON generation (kind) WHERE state = 'current';

-- What BM25 needs of all documents together, kept in the transaction that changes them.
CREATE TABLE corpus (
    gen integer NOT NULL REFERENCES generation ON DELETE CASCADE,
    ns integer NOT NULL,
    docs bigint NOT NULL,
    length bigint NOT NULL,
    PRIMARY KEY (gen, ns)
);
