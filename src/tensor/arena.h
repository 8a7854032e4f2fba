// One allocation from which the named pieces of a computation are taken. A layout, a function that
// takes its pieces in a fixed order, is run twice: on an arena that only counts, which is the plan,
// and on one that has the memory; so what is planned is what is used.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tensor/bf16.h"
#include "tensor/buffer.h"

namespace ponder::tensor {

// Purpose and bytes; pieces of one purpose are one entry, in the order in which it was first taken.
using MemoryTable = std::vector<std::pair<std::string, int64_t>>;
int64_t total_bytes(const MemoryTable& table);

class Arena {
 public:
  explicit Arena(std::string name) : memory_(std::move(name), 0) {}

  // The next `floats` elements, aligned to 64 bytes; nullptr while counting, and for none.
  float* take(const char* purpose, int64_t floats);
  Bf16* take_bf16(const char* purpose, int64_t elements) {
    return reinterpret_cast<Bf16*>(take(purpose, (elements + 1) / 2));
  }

  // Two layouts of pieces that are never needed at the same time: both begin at the same place, and what is taken next
  // begins behind the larger one. The plan tells of the larger one's pieces alone.
  template <class One, class Other>
  void take_either(const One& one, const Other& other) {
    const int64_t begin = used_;
    MemoryTable tables[2], *const whole = table_;
    const auto lay_out_at_begin = [&](const auto& layout, MemoryTable& table) {
      used_ = begin;
      if (whole) table_ = &table;
      layout(*this);
      return used_;
    };
    const int64_t first = lay_out_at_begin(one, tables[0]);
    const int64_t second = lay_out_at_begin(other, tables[1]);
    used_ = std::max(first, second);
    table_ = whole;
    for (const auto& [purpose, bytes] : tables[first < second ? 1 : 0]) add(purpose, bytes);
  }

  // What a layout(Arena&) takes, without memory.
  template <class Layout>
  static MemoryTable plan(const Layout& layout) {
    MemoryTable table;
    Arena arena("plan");
    arena.table_ = &table;
    layout(arena);
    return table;
  }
  // Runs the layout on the memory, which is made larger first if it has to be (contents are lost;
  // Error when memory is short). Pieces of earlier layouts are no longer valid.
  template <class Layout>
  void lay_out(const Layout& layout) {
    counting_ = true;
    used_ = 0;
    layout(*this);
    memory_.reserve(used_);
    counting_ = false;
    used_ = 0;
    layout(*this);
  }
  int64_t size_bytes() const { return memory_.size_bytes(); }

 private:
  void add(const std::string& purpose, int64_t bytes);  // to the table, if there is one

  Buffer memory_;
  MemoryTable* table_ = nullptr;
  bool counting_ = true;
  int64_t used_ = 0;
};

}  // namespace ponder::tensor
