// The tokenizer of a checkpoint folder as GGUF metadata (tokenizer.ggml.*), as llama.cpp's
// converter writes it for byte-level BPE.
#pragma once

#include <filesystem>

#include "gguf/gguf_file.h"

namespace ponder::gguf {

// Tokens are padded to `vocab_size` (the rows of the embedding) with unused ones, [PAD151665].
// Reads tokenizer.json, tokenizer_config.json and, for ids the latter does not name, config.json.
// Throws Error for a tokenizer with more tokens than `vocab_size`, or one that llama.cpp cannot
// imitate.
void add_vocabulary(GgufMetadata& metadata, const std::filesystem::path& folder,
                    int64_t vocab_size);

}  // namespace ponder::gguf
