// HTML and SVG that is well formed by construction: text and attribute values are escaped on their
// way in, and an element always closes what it opens.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace ponder::report {

struct Markup {
  std::string html;

  Markup& operator+=(const Markup& other) {
    html += other.html;
    return *this;
  }
  friend Markup operator+(Markup a, const Markup& b) { return a += b; }
  bool empty() const { return html.empty(); }
};

// Valid UTF-8 without markup: < > & " ' become entities, broken bytes U+FFFD, control characters
// (which HTML forbids, or which would reorder the text around them) their visible picture or code.
Markup text(std::string_view any);

using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;
Markup element(std::string_view tag, Attributes attributes, const Markup& content);
Markup element(std::string_view tag, const Markup& content);
// For br, meta, line, rect: <tag attributes/>
Markup empty_element(std::string_view tag, Attributes attributes);

}  // namespace ponder::report
