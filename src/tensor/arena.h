// One allocation from which the named pieces of a computation are taken. A layout, a function that
// takes its pieces in a fixed order, is run twice: on an arena that only counts, which is the plan,
// and on one that has the memory; so what is planned is what is used.
#pragma once

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
  Buffer memory_;
  MemoryTable* table_ = nullptr;
  bool counting_ = true;
  int64_t used_ = 0;
};

}  // namespace ponder::tensor
