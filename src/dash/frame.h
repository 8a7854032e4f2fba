// What the pages share. A page is a function of a run's data to Markup; text of models is a text node,
// nothing is styled or run inline (the pages' policy forbids it). Internal to this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dash/address.h"
#include "dash/open_run.h"
#include "report/markup.h"

namespace ponder::dash {

using report::element;
using report::empty_element;
using report::Markup;
using report::text;

struct Page {
  std::string title;
  Markup content;
  bool live = false;        // shown anew while the run writes
  bool unfinished = false;  // more will be there in a moment: shown anew until it is
};

// The whole document; `run` "": of no run.
std::string document(const Page& page, const std::string& run, std::string_view here);

Markup link(const std::string& to, const std::string& words);
Markup note(std::string_view words);
Markup cell(const Markup& content);
Markup cell(const std::string& words);
Markup word_cell(const std::string& words);      // that is never broken into lines
std::string short_time(const std::string& utc);  // "2026-11-29 16:52:03"
Markup number(int64_t value);                    // a table cell
Markup linked_number(int64_t value, const std::string& to);
Markup table(std::initializer_list<std::string_view> titles, const Markup& rows);
// "seen 1 to 100 of 12,345" and the links to the pages before and behind.
struct Place {
  size_t begin = 0, end = 0, of = 0;
  std::string before, behind;  // addresses; "": none
};
Markup pager(const Place& place);
std::string share_text(int64_t part, int64_t whole);  // "12.3 %", "–" of nothing

}  // namespace ponder::dash
