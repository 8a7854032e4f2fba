// The values of one column chunk, page by page: one page and the dictionary are in memory at a
// time. Internal to this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "parquet/encodings.h"
#include "parquet/metadata.h"
#include "parquet/parquet.h"

namespace ponder::parquet {

inline constexpr uint64_t kMaxPageBytes = uint64_t{64} << 20;

class ColumnReader {
 public:
  // Borrows all of them. Errors name `where`, the column and the page's offset. Throws Error for a
  // codec that is not read.
  ColumnReader(const RandomAccess& file, const Leaf& leaf, const ColumnChunk& chunk,
               const std::string& where);

  // False when the chunk's values are all read.
  bool more() const { return left_ > 0; }
  // Levels of the next value; the page is read if need be. Throws Error.
  int repetition_level();
  int definition_level();
  // Takes the next value, null when its definition level is below the leaf's. `value.text` holds
  // until the next call.
  void next(Value& value, int& definition);

 private:
  void need_levels();
  void next_page();
  void read_dictionary(int32_t num_values, int32_t encoding);
  [[noreturn]] void fail(const std::string& problem) const;

  const RandomAccess& file_;
  const Leaf& leaf_;
  const ColumnChunk& chunk_;
  const std::string& where_;
  uint64_t at_ = 0;          // of the next page
  uint64_t page_begin_ = 0;  // of this one, for messages
  int64_t left_ = 0;         // values of the chunk
  int64_t left_in_page_ = 0;
  std::string page_, dictionary_bytes_;
  std::vector<Value> dictionary_;
  bool has_dictionary_ = false, have_levels_ = false;
  RleDecoder repetition_levels_, definition_levels_;
  ValueDecoder values_;
  int repetition_ = 0, definition_ = 0;
};

bool is_codec_read(int32_t codec);
std::string codec_name(int32_t codec);
// Unpacks one page. `size`: what its header says it becomes. Throws DecodeFault, also when the
// codec is not read; allocates no more than the data can become.
std::string decompress(int32_t codec, std::string_view packed, uint64_t size);

}  // namespace ponder::parquet
