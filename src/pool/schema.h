// The tables of run.db (docs/formats.md) and their version. Internal to this folder.
#pragma once

#include "pool/sqlite.h"

namespace ponder::pool {

inline constexpr int kPoolSchemaVersion = 9;

// Makes the tables of this version in a database without tables, and the triggers that keep a hash
// of every row.
void make_schema(const sqlite::Database& database);

// The version of a run database; 0 for an empty file, which is an Error if it is read only. Throws
// Error when the file holds another program's database, a schema newer than this build's, or one of
// this version that lacks a column or has one of another type, naming it.
int schema_version(const sqlite::Database& database, bool read_only);

// Throw Error if the database is not what was written: a row whose hash is not there, a row too few
// or too many (table and row are named); what SQLite itself finds in its pages and indexes. Both
// read everything once.
void verify_rows(const sqlite::Database& database);
void verify_structure(const sqlite::Database& database);

// Brings an older database to this version in one transaction: it is there as a whole or not at
// all. migrations.cpp says what each version becomes.
void migrate(const sqlite::Database& database, int version);

}  // namespace ponder::pool
