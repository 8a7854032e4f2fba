#include "reliability/inputs.h"

#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "pool/sqlite.h"

namespace ponder::reliability {
namespace {

const char* const kModelFiles[] = {"config.json", "tokenizer.json", "tokenizer_config.json",
                                   "generation_config.json", "ponder.json"};

constexpr const char* kTemplate =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' "
    "}}{% endif %}";

// Good rows of each kind that a command reads are in good/KIND.jsonl.
const char* const kRows[] = {"demonstrations", "problems", "preferences", "score",    "judge",
                             "messages",       "texts",    "ids",         "responses"};

std::string good_rows(const std::string& kind) {
  return read_file(testing::source_dir() / "tests/reliability/good" / (kind + ".jsonl"));
}

// Flags whose numbers say how much is to be done: a large one is no mistake.
const std::set<std::string> kAmounts = {"--count",   "--samples", "-n",     "--epochs",
                                        "--steps",   "--repeats", "--rows", "--length",
                                        "--warm-up", "--limit"};

std::string gzipped(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zstandard(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

void write(const fs::path& path, const std::string& text) { write_file_atomic(path, text); }

}  // namespace

Inputs::Inputs() : seeds_(world_.folder() / "seeds") {
  fs::create_directory(seeds_);
  const testing::Outcome run = testing::run(world_.run(seeds_));
  EXPECT_EQ(run.status, 0) << run.err;
  fs::copy(world_.base(), seed("model"), fs::copy_options::recursive);
  for (const char* name : {"benchmark.jsonl", "problems.jsonl", "demonstrations.jsonl"})
    fs::copy(world_.folder() / name, seed("a-" + std::string(name)));
  for (const std::string kind : kRows) write(seed(kind + ".jsonl"), good_rows(kind));
  // Every key there is, on a line of its own, and files that are found from anywhere.
  std::string recipe = read_file(seed("run/recipe.toml"));
  write(seed("recipe.toml"), recipe);
  for (const std::string& command : e2e::listed_commands()) {
    const testing::Outcome help = command == "data" ? e2e::ponder({command, "check", "--help"})
                                                    : e2e::ponder({command, "--help"});
    for (const std::string& line : testing::lines_of(help.out)) {
      const size_t at = line.find("--");
      if (at == line.npos || at > 6) continue;
      const std::string name = line.substr(at, line.find_first_of(" ,", at) - at);
      if (name != "--help") flags_of_[command].push_back(name);
    }
  }
}

std::vector<std::string> Inputs::kinds() {
  return {"safetensors",
          "config.json",
          "tokenizer.json",
          "tokenizer_config.json",
          "ponder.json",
          "chat template",
          "generation_config.json",
          "parquet",
          "gzip",
          "zstandard",
          "JSON lines",
          "JSON lines",
          "recipe",
          "run.db",
          "flags"};
}

Words Inputs::make(const std::string& kind, Mutator& mutator, const fs::path& place) const {
  if (kind == "safetensors") return safetensors(mutator, place);
  if (kind.ends_with(".json")) return model_json(mutator, place, kind);
  if (kind == "chat template") return chat_template(mutator, place);
  if (kind == "parquet") return parquet(mutator, place);
  if (kind == "gzip" || kind == "zstandard") return packed(mutator, place, kind == "gzip");
  if (kind == "JSON lines") return rows(mutator, place);
  if (kind == "recipe") return recipe(mutator, place);
  if (kind == "run.db") return run_db(mutator, place);
  return flags(mutator, place);
}

fs::path Inputs::model_with(const fs::path& place, const std::string& name,
                            const std::string& contents) const {
  const fs::path model = place / "model";
  fs::create_directory(model);
  for (const auto& entry : fs::directory_iterator(seed("model"))) {
    if (entry.is_regular_file()) fs::copy(entry.path(), model / entry.path().filename());
  }
  write(model / name, contents);
  return model;
}

Words Inputs::reading_model(Mutator& mutator, const fs::path& model) const {
  const fs::path out = model.parent_path() / "out";
  const Words commands[] = {
      {"inspect", model},
      {"inspect", model, "--json"},
      {"generate", "--model", model, "--prompt", "A or B?", "--max-tokens", "4", "--json"},
      {"generate", "--model", model, "--problems", seed("a-problems.jsonl"), "--max-tokens", "4",
       "-n", "2", "--judge"},
      {"score", "--model", model, "--data", seed("score.jsonl"), "--per-token", "--json"},
      {"sft", "--model", model, "--data", seed("a-demonstrations.jsonl"), "--out", out, "--steps",
       "1", "--json"},
      {"dpo", "--model", model, "--data", seed("preferences.jsonl"), "--out", out, "--steps", "1",
       "--align", "response"},
      {"export", model, "--gguf", "q8_0", "--out", out},
      {"tokenize", seed("texts.jsonl"), "--tokenizer", model, "--json"},
      {"tokenize", seed("ids.jsonl"), "--decode", "--tokenizer", model},
      {"tokenize", seed("messages.jsonl"), "--chat", "--tokenizer", model, "--json"},
      {"data", "check", seed("demonstrations.jsonl"), "--tokenizer", model, "--json"},
      {"eval", "--model", model, "--benchmark", seed("a-benchmark.jsonl"), "--max-tokens", "4",
       "--json"},
      {"chat", "--model", model, "--max-tokens", "4"},
      {"plan", world_.folder() / "recipe.toml", "--set", "base=" + model.string(), "--json"}};
  return mutator.one_of(commands);
}

Words Inputs::safetensors(Mutator& mutator, const fs::path& place) const {
  const std::string file = read_file(seed("model/model.safetensors"));
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  std::string header = file.substr(sizeof length, length);
  std::string data = file.substr(sizeof length + length);
  std::string damaged;
  switch (mutator.below(4)) {
    case 0:
      damaged = mutator.bytes(file);
      break;
    case 1: {  // values that no weight should have
      constexpr uint32_t kFloats[] = {0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff,
                                      0x00000001, 0x7f800001, 0x80000000};
      for (uint64_t i = 0; i <= mutator.below(50); ++i)
        std::memcpy(data.data() + 4 * mutator.below(data.size() / 4), &mutator.one_of(kFloats), 4);
      break;
    }
    default:
      header = mutator.json_text(header);
  }
  if (damaged.empty()) {
    length = header.size();
    damaged = std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
  }
  return reading_model(mutator, model_with(place, "model.safetensors", damaged));
}

Words Inputs::model_json(Mutator& mutator, const fs::path& place, const std::string& name) const {
  const std::string damaged = mutator.json_text(read_file(seed("model/" + name)));
  return reading_model(mutator, model_with(place, name, damaged));
}

Words Inputs::chat_template(Mutator& mutator, const fs::path& place) const {
  Json config = read_json_file(seed("model/tokenizer_config.json"));
  const std::string damaged = mutator.bytes(kTemplate);
  if (mutator.one_in(2))
    return reading_model(mutator, model_with(place, "chat_template.jinja", damaged));
  config["chat_template"] = mutator.one_in(4) ? mutator.json(kTemplate) : Json(damaged);
  const std::string text = config.dump(-1, ' ', false, Json::error_handler_t::ignore);
  return reading_model(mutator, model_with(place, "tokenizer_config.json", text));
}

Words Inputs::reading_rows(Mutator& mutator, const std::string& kind, const fs::path& file) const {
  const fs::path model = seed("model"), out = file.parent_path() / "out";
  std::vector<Words> commands;
  if (kind == "judge") {
    commands = {{"judge", file, "--json"}, {"judge", file, "--full-response", "--units", "strict"}};
  } else if (kind == "score") {
    commands = {{"score", "--model", model, "--data", file, "--json"},
                {"score", "--model", model, "--data", file, "--raw", "--per-token", "--json"}};
  } else if (kind == "messages") {
    commands = {{"tokenize", file, "--chat", "--tokenizer", model, "--json"}};
  } else if (kind == "texts") {
    commands = {{"tokenize", file, "--tokenizer", model, "--json"}};
  } else if (kind == "ids") {
    commands = {{"tokenize", file, "--decode", "--tokenizer", model, "--json"}};
  } else if (kind == "responses") {
    commands = {{"eval", "--responses", file, "--benchmark", seed("a-benchmark.jsonl"), "--json"}};
  } else {
    commands = {{"data", "check", file, "--json"},
                {"data", "check", file, "--explain"},
                {"data", "check", file, "--kind", kind, "--tokenizer", model, "--json"},
                {"data", "show", file, "--tokenizer", model},
                {"data", "check", seed("demonstrations.jsonl"), "--against", file, "--json"}};
    if (kind == "demonstrations")
      commands.push_back({"sft", "--model", model, "--data", file, "--out", out, "--steps", "1",
                          "--allow-direct", "--all-turns", "--json"});
    if (kind == "preferences")
      commands.push_back({"dpo", "--model", model, "--data", file, "--out", out, "--steps", "1",
                          "--align", "response", "--json"});
    if (kind == "problems")
      commands.push_back({"eval", "--model", model, "--benchmark", file, "--max-tokens", "4",
                          "--json", "--out", out});
  }
  return mutator.one_of(commands);
}

Words Inputs::rows(Mutator& mutator, const fs::path& place) const {
  const std::string kind = mutator.one_of(kRows);
  write(place / "rows", mutator.rows(good_rows(kind)));
  return reading_rows(mutator, kind, place / "rows");
}

Words Inputs::packed(Mutator& mutator, const fs::path& place, bool gzip) const {
  const auto pack = [&](const std::string& text) { return gzip ? gzipped(text) : zstandard(text); };
  const std::string kind = mutator.one_of(kRows), text = good_rows(kind);
  std::string file;
  switch (mutator.below(4)) {
    case 0:
      file = pack(mutator.rows(text));
      break;
    case 1:
      file = pack(text) + pack(mutator.rows(text));
      break;  // several members
    case 2:
      file = mutator.bytes(pack(text));
      break;
    case 3:
      file = mutator.bytes(pack(text) + pack(text));
      break;
  }
  write(place / "rows", file);
  return reading_rows(mutator, kind, place / "rows");
}

Words Inputs::parquet(Mutator& mutator, const fs::path& place) const {
  const char* const names[] = {"demonstrations.parquet",    "hyparquet.parquet",
                               "v1_groups.parquet",         "v1_plain.parquet",
                               "v2_delta_zstd.parquet",     "v2_dictionary_gzip.parquet",
                               "v2_lengths_groups.parquet", "v1_dictionary_snappy.parquet"};
  std::string file =
      read_file(testing::source_dir() / "tests/golden/parquet" / mutator.one_of(names));
  // …, footer, its length (4 bytes), "PAR1"
  uint32_t length = 0;
  std::memcpy(&length, file.data() + file.size() - 8, sizeof length);
  const size_t footer = file.size() - 8 - length;
  switch (mutator.below(3)) {
    case 0:
      file = mutator.bytes(file);
      break;
    case 1:
      file = mutator.bytes(file.substr(0, footer)) + file.substr(footer);
      break;
    case 2: {
      const std::string damaged = mutator.bytes(file.substr(footer, length));
      length = static_cast<uint32_t>(damaged.size());
      file = file.substr(0, footer) + damaged +
             std::string(reinterpret_cast<const char*>(&length), sizeof length) + "PAR1";
    }
  }
  write(place / "rows", file);
  const char* const kinds[] = {"demonstrations", "problems", "preferences"};
  return reading_rows(mutator, mutator.one_of(kinds), place / "rows");
}

Words Inputs::recipe(Mutator& mutator, const fs::path& place) const {
  for (const char* name : {"benchmark.jsonl", "problems.jsonl", "demonstrations.jsonl"})
    fs::copy(world_.folder() / name, place / name);
  const bool whole = mutator.one_in(2);
  const std::string text = read_file(whole ? seed("recipe.toml") : world_.folder() / "recipe.toml");
  write(place / "recipe.toml", mutator.toml(text));
  fs::create_directory_symlink(seed("model"), place / "base");
  const Words commands[] = {
      {"plan", place / "recipe.toml", "--json"},
      {"plan", place / "recipe.toml"},
      {"run", place / "recipe.toml", "--out", place / "run", "--until", "ingest", "--json"}};
  return mutator.one_of(commands);
}

Words Inputs::reading_run(Mutator& mutator, const fs::path& place) const {
  const fs::path run = place / "run";
  const Words commands[] = {{"status", run, "--json"},
                            {"status", run},
                            {"pool", run, "--json"},
                            {"pool", run, "export", "--json"},
                            {"pool", run, "export", "--problems"},
                            {"refine", run, "--json", "--strategy", "highest-perplexity"},
                            {"why", run, "improve-1:0", "--json"},
                            {"why", run, "dpo:0"},
                            {"run", world_.folder() / "recipe.toml", "--out", run, "--json"}};
  return mutator.one_of(commands);
}

Words Inputs::run_db(Mutator& mutator, const fs::path& place) const {
  fs::copy(seed("run"), place / "run", fs::copy_options::recursive);
  const fs::path file = place / "run/run.db";
  if (mutator.one_in(3)) {
    write(file, mutator.bytes(read_file(file)));
    return reading_run(mutator, place);
  }
  std::vector<std::string> tables;
  {
    const pool::sqlite::Database database(file, pool::sqlite::Database::Access::kRead);
    auto table = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'");
    while (table.step()) tables.push_back(table.text(0));
  }
  const uint64_t times = 1 + mutator.below(3);
  for (uint64_t i = 0; i < times; ++i) {
    const pool::sqlite::Database database(file, pool::sqlite::Database::Access::kWrite);
    database.execute("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON");
    const std::string table = mutator.one_of(tables);
    std::vector<std::string> columns;
    {
      auto column = database.prepare("SELECT name FROM pragma_table_info(?)");
      column.bind(table);
      while (column.step()) columns.push_back(column.text(0));
    }
    if (columns.empty()) continue;  // dropped before
    const std::string key = table == "row_hashes" ? "sha256" : "rowid";
    const std::string one = " WHERE " + key + " = (SELECT " + key + " FROM " + table + " LIMIT 1" +
                            " OFFSET " + std::to_string(mutator.below(6)) + ")";
    try {
      switch (mutator.below(12)) {
        case 0:
          database.execute("DELETE FROM " + table + one);
          break;
        case 1:
          database.execute("DROP TABLE " + table);
          break;
        case 2:
          database.execute("PRAGMA user_version = " + mutator.amount());
          break;
        case 3:
          database.execute("DROP TRIGGER " + table + "_updated");
          break;
        case 4:
          database.execute("ALTER TABLE " + table + " ADD COLUMN more");
          break;
        default: {
          auto change = database.prepare("UPDATE " + table + " SET " + mutator.one_of(columns) +
                                         " = ?" + one);
          const uint64_t sort = mutator.below(4);
          if (sort == 0) change.bind(mutator.word());
          if (sort == 1)
            change.bind(
                std::array<int64_t, 6>{0, -1, 1, 3, INT64_MAX, int64_t{1} << 40}[mutator.below(6)]);
          if (sort == 2) change.bind(std::array{0.0, -1.5, 1e300, 1e-320}[mutator.below(4)]);
          if (sort == 3) {
            const std::string blob = mutator.bytes(std::string(12, '\1'));
            change.bind_blob(std::as_bytes(std::span(blob)));
          }
          change.run();
        }
      }
    } catch (const Error&) {
      // The database refuses what breaks its own rules; the next change may do.
    }
  }
  return reading_run(mutator, place);
}

Words Inputs::flags(Mutator& mutator, const fs::path& place) const {
  fs::copy(seeds_, place, fs::copy_options::recursive);
  const Words commands[] = {
      {"synth", "--domain", "arithmetic", "--level", "2", "--count", "3"},
      {"generate", "--model", "model", "--prompt", "A?", "--max-tokens", "3"},
      {"generate", "--model", "model", "--problems", "a-problems.jsonl", "--max-tokens", "3"},
      {"score", "--model", "model", "--data", "score.jsonl"},
      {"sft", "--model", "model", "--data", "a-demonstrations.jsonl", "--out", "o", "--epochs",
       "1"},
      {"dpo", "--model", "model", "--data", "preferences.jsonl", "--out", "o", "--epochs", "1",
       "--align", "response"},
      {"eval", "--model", "model", "--benchmark", "a-benchmark.jsonl", "--max-tokens", "3"},
      {"eval", "--responses", "responses.jsonl", "--benchmark", "a-benchmark.jsonl"},
      {"judge", "judge.jsonl"},
      {"tokenize", "texts.jsonl", "--tokenizer", "model"},
      {"inspect", "model"},
      {"init", "--config", "model/config.json", "--tokenizer", "model", "--out", "o"},
      {"export", "model", "--gguf", "f16", "--out", "o"},
      {"pool", "run", "export", "--verdict", "correct"},
      {"refine", "run", "--strategy", "shortest"},
      {"why", "run", "improve-1:0"},
      {"status", "run"},
      {"plan", "recipe.toml", "--set", "sft.epochs=2"},
      {"data", "check", "demonstrations.jsonl", "--explain"},
      {"data", "show", "problems.jsonl", "-n", "1"},
      {"chat", "--model", "model", "--max-tokens", "3"},
      {"doctor"}};
  Words words = mutator.one_of(commands);
  const std::vector<std::string>& flags = flags_of_.at(words[0]);
  const auto value_for = [&](const std::string& flag) {
    const bool amount = kAmounts.contains(flag);
    std::string value = mutator.one_in(3) ? mutator.word()
                        : amount          ? mutator.amount()
                                          : mutator.number();
    // An argument ends at a NUL; and all that is written is to stay here.
    value = value.substr(0, value.find('\0'));
    return value.find("..") == value.npos ? value : "x";
  };
  const uint64_t times = 1 + mutator.below(2);
  for (uint64_t i = 0; i < times; ++i) {
    const size_t at = 1 + mutator.below(words.size());
    const auto place_at = words.begin() + static_cast<int64_t>(std::min(at, words.size()));
    switch (mutator.below(6)) {
      case 0:
        if (place_at != words.end()) words.erase(place_at);
        break;
      case 1:
      case 2:
        if (place_at != words.end() && !place_at->starts_with("--"))
          *place_at = value_for(words[at - 1]);
        break;
      case 3:
        if (place_at != words.end() && place_at->starts_with("--"))
          *place_at += mutator.one_in(2) ? "x" : "=" + value_for(*place_at);
        break;
      default:
        if (flags.empty()) break;
        const std::string flag = mutator.one_of(flags);
        words.push_back(flag);
        if (!mutator.one_in(3)) words.push_back(value_for(flag));
    }
  }
  return words;
}

}  // namespace ponder::reliability
