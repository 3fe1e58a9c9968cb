-- Entries by namespace; a namespace's row stays for ever, so its number needs no foreign key.
-- What conditions ask for is a column; `body` is the entry as JSON without text and expires.
CREATE TABLE namespace (
    nr integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

CREATE SEQUENCE entry_nr;

CREATE TABLE entry (
    nr bigint PRIMARY KEY,
    ns integer NOT NULL,
    id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    text text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    session text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    agent text COLLATE "C" NOT NULL,
    term text COLLATE "C" NOT NULL,
    lang text COLLATE "C" NOT NULL,
    importance double precision NOT NULL,
    links text[] COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    trusted boolean NOT NULL,
    "by" text COLLATE "C" NOT NULL,
    "at" timestamptz NOT NULL,
    created timestamptz NOT NULL,
    updated timestamptz NOT NULL,
    expires timestamptz,
    ttl double precision,
    metadata jsonb NOT NULL,
    body text NOT NULL,
    UNIQUE (ns, id)
);

CREATE INDEX entry_turn ON entry (ns, session, seq) WHERE session <> '';
CREATE INDEX entry_at ON entry (ns, "at");
CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
CREATE INDEX entry_metadata ON entry USING gin (metadata jsonb_path_ops);
