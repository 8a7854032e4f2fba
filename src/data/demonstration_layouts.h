// One row of a demonstration file, whatever its layout, as a Demonstration. Internal to this
// folder.
#pragma once

#include <vector>

#include "base/json.h"
#include "data/conversation.h"
#include "data/readers.h"
#include "data/rows.h"

namespace ponder::data {

class RowFields;

// Whether the row's fields are those of a demonstration rather than of a problem.
bool is_demonstration(const RowFields& row);

// The demonstrations of a row: one, or several where it has several responses or every assistant turn
// of a conversation is asked for; each that cannot be used says why. Throws Rejection where that is
// true of all.
std::vector<Accepted<Demonstration>> demonstrations_from_row(
    const Json& row, const DemonstrationReadOptions& options, Changes& changes);

// What demonstrations and preferences share: id, domain, source, level and the system turn of the
// row's fields; none of them rejects a row.
Demonstration common_of(const RowFields& row, Changes& changes);
// The gold answer and its type; one that cannot be read is left empty and counted.
void take_gold(const RowFields& row, const std::string& gold, Demonstration& demonstration,
               Changes& changes);
// The turns before the response: of a conversation, of instruction and input with their history, or
// the question under one of its names. False if the row has none.
bool ask_of(const RowFields& row, Conversation& conversation);

}  // namespace ponder::data
