// The tables of run.db (docs/formats.md) and their version. Internal to this folder.
#pragma once

#include "pool/sqlite.h"

namespace ponder {

inline constexpr int kPoolSchemaVersion = 1;

// Makes the tables in an empty database. Throws Error when the file holds another program's
// database, or a schema of another version.
void create_or_check_schema(const sqlite::Database& database, bool read_only);

}  // namespace ponder
