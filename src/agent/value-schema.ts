/**
 * Tables of the file of stored values: a row for each value; certificates and generation counters, which several have in common, once,
 * as long as a value refers to them.
 */
export const SCHEMA = `
CREATE TABLE stored (
  resource TEXT NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL,
  packed BLOB NOT NULL, certificate TEXT NOT NULL, expires_at INTEGER NOT NULL,
  PRIMARY KEY (resource, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX signed_with ON stored (certificate);
CREATE TABLE certificates (certificate TEXT PRIMARY KEY, chain BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE generations (
  resource TEXT NOT NULL, kind INTEGER NOT NULL, generation INTEGER NOT NULL, PRIMARY KEY (resource, kind)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER replaced AFTER UPDATE OF certificate ON stored
WHEN old.certificate <> new.certificate AND NOT EXISTS (SELECT 1 FROM stored WHERE certificate = old.certificate)
BEGIN
  DELETE FROM certificates WHERE certificate = old.certificate;
END;
CREATE TRIGGER removed AFTER DELETE ON stored BEGIN
  DELETE FROM certificates WHERE certificate = old.certificate
    AND NOT EXISTS (SELECT 1 FROM stored WHERE certificate = old.certificate);
  DELETE FROM generations WHERE resource = old.resource AND kind = old.kind
    AND NOT EXISTS (SELECT 1 FROM stored WHERE resource = old.resource AND kind = old.kind);
END;
`;
