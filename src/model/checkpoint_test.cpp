#include "model/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "tensor/safetensors.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_config.h"

namespace ponder::model {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

ModelConfig tiny(bool tied = true) {
  ModelConfig config = testing::tiny_config(100);
  config.hidden_size = 24;  // not a multiple of 16: padding appears
  config.intermediate_size = 40;
  config.head_dim = 6;
  config.tie_word_embeddings = tied;
  config.eos_token_ids = {1};
  return config;
}

Parameters random_parameters(const ModelConfig& config, uint64_t seed = 1) {
  Parameters parameters(config, "test");
  initialise(parameters, config, seed);
  for (const ParameterInfo& info : parameters.layout().entries()) {  // biases and norms too
    for (int64_t i = 0; i < info.size; ++i) {
      parameters.flat()[static_cast<size_t>(info.offset + i)] +=
          0.1f * std::sin(static_cast<float>(info.offset + i));
    }
  }
  return parameters;
}

bool bit_equal(const Parameters& a, const Parameters& b) {
  return a.flat().size() == b.flat().size() &&
         std::equal(a.flat().begin(), a.flat().end(), b.flat().begin());
}

class CheckpointTest : public ::testing::Test {
 protected:
  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string bytes(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // The message that loading is refused with.
  static std::string refusal(const fs::path& folder) {
    std::string message;
    try {
      load_checkpoint(folder);
      ADD_FAILURE() << "accepted " << folder;
    } catch (const Error& error) {
      message = error.what();
    }
    return message;
  }
  // A folder of safetensors files with tensors of one element each, under an index.
  fs::path folder_with_index(const std::string& name, const Json& weight_map,
                             const std::map<std::string, std::vector<std::string>>& shards) {
    const fs::path folder = root_ / name;
    write(folder / "config.json", tiny().to_json().dump());
    const float one = 1;
    for (const auto& [file, names] : shards) {
      std::vector<tensor::TensorToWrite> tensors;
      for (const std::string& tensor : names) tensors.push_back({tensor, {1}, {&one, 1}});
      tensor::write_safetensors(folder / file, tensors, tensor::DType::kF32);
    }
    Json index = Json::object();
    index["weight_map"] = weight_map;
    write(folder / "model.safetensors.index.json", index.dump());
    return folder;
  }
  // A checkpoint written with its tensors changed by `edit`, without a ponder.json.
  fs::path edited(const std::string& name, const ModelConfig& config, const Parameters& parameters,
                  const std::function<void(std::vector<tensor::TensorToWrite>&)>& edit) {
    const fs::path folder = root_ / name;
    write(folder / "config.json", config.to_json().dump());
    std::vector<tensor::TensorToWrite> tensors;
    for (const ParameterInfo& info : parameters.layout().entries()) {
      tensors.push_back({info.name, info.shape, parameters.at(info.name)});
    }
    edit(tensors);
    tensor::write_safetensors(folder / "model.safetensors", tensors, tensor::DType::kF32);
    return folder;
  }
  testing::TemporaryFolder temporary_;
  const fs::path root_ = temporary_.path();
};

TEST_F(CheckpointTest, FloatWeightsReadBackBitEqual) {
  const auto of_type = [](const char* type, bool tied) {
    ModelConfig config = tiny(tied);
    config.model_type = type;
    if (config.layer(0).qk_norm != QkNorm::kNone) config.head_dim = 16;
    return config;
  };
  ModelConfig stretched = of_type("llama", false);
  stretched.rope_scaling = {ops::RopeScaling::Type::kLlama3, 8.0, 1.0, 4.0, 64};
  for (const ModelConfig& config : {tiny(true), tiny(false), of_type("qwen3", true),
                                    of_type("qwen3", false), of_type("llama", true), stretched}) {
    const Parameters parameters = random_parameters(config);
    const fs::path folder =
        root_ / (config.model_type + (config.tie_word_embeddings ? " tied" : " untied"));
    const std::string sha256 = save_checkpoint(folder, config, parameters, {});
    const Checkpoint loaded = load_checkpoint(folder);
    EXPECT_TRUE(bit_equal(loaded.parameters, parameters));
    EXPECT_EQ(loaded.sha256, sha256);
    EXPECT_EQ(sha256, sha256_file(folder / "model.safetensors"));
    EXPECT_EQ(checkpoint_sha256(folder), sha256);
    EXPECT_EQ(loaded.config.to_json(), config.to_json());
    EXPECT_EQ(tensor::SafetensorsFile(folder / "model.safetensors").metadata().at("format"), "pt");
    EXPECT_FALSE(fs::exists(root_ / "qwen2 tied.tmp"));
  }
}

TEST_F(CheckpointTest, SameInputSameBytes) {
  const Parameters parameters = random_parameters(tiny());
  SaveOptions options;
  options.dtype = tensor::DType::kBF16;
  options.provenance["parents"] = {"abc"};
  save_checkpoint(root_ / "a", tiny(), parameters, options);
  save_checkpoint(root_ / "b", tiny(), parameters, options);
  for (const char* name : {"model.safetensors", "config.json", "ponder.json"}) {
    EXPECT_EQ(bytes(root_ / "a" / name), bytes(root_ / "b" / name)) << name;
  }
  EXPECT_EQ(read_json_file(root_ / "a" / "ponder.json").at("parents"), Json({"abc"}));
}

TEST_F(CheckpointTest, Bfloat16RoundsOnceAndThenStays) {
  const Parameters parameters = random_parameters(tiny());
  SaveOptions options;
  options.dtype = tensor::DType::kBF16;
  const std::string first = save_checkpoint(root_ / "a", tiny(), parameters, options);
  const Checkpoint loaded = load_checkpoint(root_ / "a");
  EXPECT_EQ(loaded.config.dtype, tensor::DType::kBF16);
  EXPECT_FALSE(bit_equal(loaded.parameters, parameters));
  for (size_t i = 0; i < parameters.flat().size(); ++i) {
    const float exact = parameters.flat()[i];
    ASSERT_LE(std::abs(loaded.parameters.flat()[i] - exact), std::abs(exact) * 0x1p-8f);
  }
  EXPECT_EQ(save_checkpoint(root_ / "b", tiny(), loaded.parameters, options), first);
}

TEST_F(CheckpointTest, ShardsReadBackBitEqual) {
  const ModelConfig config = tiny(false);
  const Parameters parameters = random_parameters(config);
  SaveOptions options;
  options.max_shard_bytes = 16000;
  const std::string sha256 = save_checkpoint(root_ / "a", config, parameters, options);
  const Json index = read_json_file(root_ / "a" / "model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], 4 * config.num_parameters());
  EXPECT_EQ(index["weight_map"].size(), parameters.layout().entries().size());
  std::string hashes;
  int shards = 0;
  for (const char* name :
       {"model-00001-of-00004.safetensors", "model-00002-of-00004.safetensors",
        "model-00003-of-00004.safetensors", "model-00004-of-00004.safetensors"}) {
    ASSERT_TRUE(fs::exists(root_ / "a" / name)) << name;
    EXPECT_LE(fs::file_size(root_ / "a" / name), 16000u + 3000u);
    hashes += sha256_file(root_ / "a" / name);
    ++shards;
  }
  EXPECT_EQ(read_json_file(root_ / "a" / "ponder.json")["files"].size(),
            static_cast<size_t>(shards));
  const Checkpoint loaded = load_checkpoint(root_ / "a");
  EXPECT_TRUE(bit_equal(loaded.parameters, parameters));
  EXPECT_EQ(loaded.sha256, sha256);
  EXPECT_EQ(sha256, sha256_hex(hashes));
}

TEST_F(CheckpointTest, ShardsOutsideTheFolderAreRefused) {
  write(root_ / "outside.safetensors", "");
  const std::vector<Json> names = {"../outside.safetensors",
                                   (root_ / "outside.safetensors").string(),
                                   "sub/x.safetensors",
                                   "..",
                                   "",
                                   "model.bin",
                                   7,
                                   nullptr,
                                   "./x.safetensors"};
  for (size_t i = 0; i < names.size(); ++i) {
    const fs::path folder =
        folder_with_index(std::to_string(i), {{"model.norm.weight", names[i]}}, {});
    const std::string message = refusal(folder);
    EXPECT_NE(message.find("model.norm.weight"), std::string::npos) << message;
    EXPECT_NE(message.find("outside the folder"), std::string::npos) << message;
  }
}

TEST_F(CheckpointTest, IndexAndShardsMustAgree) {
  const auto refused = [&](const std::string& name, const Json& map,
                           const std::map<std::string, std::vector<std::string>>& shards) {
    return refusal(folder_with_index(name, map, shards));
  };
  EXPECT_NE(refused("missing shard", {{"a", "1.safetensors"}}, {}).find("1.safetensors"),
            std::string::npos);
  EXPECT_NE(refused("not held", {{"a", "1.safetensors"}, {"b", "1.safetensors"}},
                    {{"1.safetensors", {"a"}}})
                .find("\"b\""),
            std::string::npos);
  EXPECT_NE(refused("not listed", {{"a", "1.safetensors"}}, {{"1.safetensors", {"a", "b"}}})
                .find("\"b\""),
            std::string::npos);
  EXPECT_NE(refused("wrong shard",
                    {{"a", "1.safetensors"}, {"b", "1.safetensors"}, {"c", "2.safetensors"}},
                    {{"1.safetensors", {"a"}}, {"2.safetensors", {"b", "c"}}})
                .find("\"b\""),
            std::string::npos);
  EXPECT_NE(refused("twice", {{"a", "1.safetensors"}, {"b", "2.safetensors"}},
                    {{"1.safetensors", {"a"}}, {"2.safetensors", {"a", "b"}}})
                .find("stands in"),
            std::string::npos);
  refused("no map", Json(), {});
  refused("empty map", Json::object(), {});
  refused("list", {"a", "b"}, {});
}

TEST_F(CheckpointTest, TensorsThatDoNotFitTheConfigAreNamed) {
  const ModelConfig config = tiny();
  const Parameters parameters = random_parameters(config);
  const std::string down = "model.layers.1.mlp.down_proj.weight";
  const auto find = [&](std::vector<tensor::TensorToWrite>& tensors) {
    return std::find_if(tensors.begin(), tensors.end(),
                        [&](const tensor::TensorToWrite& t) { return t.name == down; });
  };
  std::string message =
      refusal(edited("missing", config, parameters, [&](auto& t) { t.erase(find(t)); }));
  EXPECT_NE(message.find(down), std::string::npos);
  EXPECT_NE(message.find("[24, 40]"), std::string::npos) << message;
  message = refusal(edited("shape", config, parameters, [&](auto& t) {
    find(t)->shape = {40, 24};
  }));
  EXPECT_NE(message.find(down), std::string::npos);
  EXPECT_NE(message.find("found [40, 24]"), std::string::npos) << message;
  EXPECT_NE(message.find("at byte "), std::string::npos) << message;
  message = refusal(edited("extra", config, parameters, [&](auto& t) {
    t.push_back({"model.layers.2.mlp.down_proj.weight", {24, 40}, parameters.at(down)});
  }));
  EXPECT_NE(message.find("model.layers.2.mlp.down_proj.weight"), std::string::npos);
  ModelConfig untied = config;
  untied.tie_word_embeddings = false;
  message = refusal(edited("no head", untied, parameters, [](auto&) {}));
  EXPECT_NE(message.find("lm_head.weight"), std::string::npos);
  EXPECT_NE(message.find("tie_word_embeddings"), std::string::npos);
}

TEST_F(CheckpointTest, TensorsThatTransformersIgnoresAreAccepted) {
  const ModelConfig config = tiny();
  const Parameters parameters = random_parameters(config);
  const fs::path folder = edited("extra", config, parameters, [&](auto& tensors) {
    tensors.push_back({"lm_head.weight", {100, 24}, parameters.at("model.embed_tokens.weight")});
    tensors.push_back(
        {"model.layers.0.self_attn.rotary_emb.inv_freq", {24}, parameters.at("model.norm.weight")});
  });
  EXPECT_TRUE(bit_equal(load_checkpoint(folder).parameters, parameters));
  EXPECT_EQ(inspect_checkpoint(folder, false).parameters, config.num_parameters());
}

TEST_F(CheckpointTest, ATiedHeadThatDiffersFromTheEmbeddingIsRefused) {
  const ModelConfig config = tiny();
  const Parameters parameters = random_parameters(config);
  const auto embedding = parameters.at("model.embed_tokens.weight");
  std::vector<float> other(embedding.begin(), embedding.end());
  other.back() += 1.0f;
  const std::map<std::string, tensor::TensorToWrite> heads = {
      {"trained", {"lm_head.weight", {100, 24}, other}},
      {"shorter", {"lm_head.weight", {99, 24}, embedding.first(99 * 24)}}};
  for (const auto& [name, head] : heads) {
    const std::string message = refusal(edited(
        name, config, parameters, [&, &head = head](auto& tensors) { tensors.push_back(head); }));
    EXPECT_NE(message.find("lm_head.weight"), std::string::npos) << message;
    EXPECT_NE(message.find("tie_word_embeddings"), std::string::npos) << message;
  }
}

TEST_F(CheckpointTest, InspectionFindsATiedHeadThatDiffers) {
  const ModelConfig config = tiny();
  const Parameters parameters = random_parameters(config);
  const auto embedding = parameters.at("model.embed_tokens.weight");
  std::vector<float> other(embedding.begin(), embedding.end());
  other.back() += 1.0f;
  const tensor::TensorToWrite head = {"lm_head.weight", {100, 24}, other};
  const fs::path folder =
      edited("trained", config, parameters, [&](auto& tensors) { tensors.push_back(head); });
  std::string problems;
  for (const std::string& problem : inspect_checkpoint(folder, true).problems)
    problems += problem + "\n";
  EXPECT_NE(problems.find("tie_word_embeddings"), std::string::npos) << problems;
}

TEST_F(CheckpointTest, AnAdapterIsNamed) {
  write(root_ / "adapter" / "adapter_config.json",
        R"({"peft_type": "LORA", "base_model_name_or_path": "some/base"})");
  for (const auto& open :
       {std::function<void()>([&] { load_config(root_ / "adapter"); }),
        std::function<void()>([&] { inspect_checkpoint(root_ / "adapter", true); })}) {
    try {
      open();
      FAIL();
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("a LoRA adapter of some/base"), std::string::npos) << text;
      EXPECT_NE(text.find("merge"), std::string::npos) << text;
    }
  }
}

TEST_F(CheckpointTest, InspectionCountsWhatIsNotFinite) {
  const ModelConfig config = tiny();
  Parameters parameters = random_parameters(config);
  const auto norm = parameters.at("model.norm.weight"),
             embedding = parameters.at("model.embed_tokens.weight");
  norm[3] = std::numeric_limits<float>::infinity();
  embedding[0] = embedding[5] = embedding.back() = std::numeric_limits<float>::quiet_NaN();
  for (const auto& [dtype, name] :
       {std::pair(tensor::DType::kF32, "f32"), std::pair(tensor::DType::kBF16, "bf16")}) {
    SaveOptions options;
    options.dtype = dtype;
    save_checkpoint(root_ / name, config, parameters, options);
    EXPECT_EQ(inspect_checkpoint(root_ / name, false).problems.size(), 1u) << "no tokenizer";
    const std::vector<std::string> problems = inspect_checkpoint(root_ / name, true).problems;
    ASSERT_EQ(problems.size(), 3u);
    EXPECT_NE(problems[0].find("\"model.embed_tokens.weight\": 3 of 2400 values"),
              std::string::npos)
        << problems[0];
    EXPECT_NE(problems[1].find("\"model.norm.weight\": 1 of 24 values"), std::string::npos)
        << problems[1];
  }
}

TEST_F(CheckpointTest, ALyingConfigCostsNoMemory) {
  const ModelConfig config = tiny();
  const fs::path folder = edited("big", config, random_parameters(config), [](auto&) {});
  Json json = config.to_json();
  json["vocab_size"] = 16777216;
  json["hidden_size"] = 131072;
  json["intermediate_size"] = 1048576;
  json["num_hidden_layers"] = 1024;
  json["num_attention_heads"] = 1024;
  write(folder / "config.json", json.dump());
  EXPECT_NE(refusal(folder).find("model.embed_tokens.weight"), std::string::npos);
}

TEST_F(CheckpointTest, DamagedFilesAreRefused) {
  const ModelConfig config = tiny();
  const Parameters parameters = random_parameters(config);
  save_checkpoint(root_ / "a", config, parameters, {});
  const std::string weights = bytes(root_ / "a" / "model.safetensors");
  write(root_ / "a" / "model.safetensors", weights.substr(0, weights.size() - 1));
  EXPECT_NE(refusal(root_ / "a").find("cut"), std::string::npos);
  std::string flipped = weights;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  write(root_ / "a" / "model.safetensors", flipped);
  EXPECT_NE(refusal(root_ / "a").find("ponder.json"), std::string::npos);
  fs::remove(root_ / "a" / "ponder.json");
  EXPECT_NO_THROW(load_checkpoint(root_ / "a"));
  for (const char* text :
       {"", "{", "[]", "{\"model_type\": \"qwen2\", \"model_type\": \"qwen2\"}", "\xff"}) {
    write(root_ / "a" / "config.json", text);
    EXPECT_NE(refusal(root_ / "a").find("config.json"), std::string::npos);
  }
  fs::remove(root_ / "a" / "config.json");
  EXPECT_NE(refusal(root_ / "a").find("config.json"), std::string::npos);
  refusal(root_ / "absent");
  fs::create_directories(root_ / "pickled");
  write(root_ / "pickled" / "config.json", config.to_json().dump());
  write(root_ / "pickled" / "pytorch_model.bin", "x");
  EXPECT_NE(refusal(root_ / "pickled").find("convert"), std::string::npos);
}

TEST_F(CheckpointTest, TheBaseIsCopiedByteForByte) {
  const fs::path base = root_ / "base";
  const std::map<std::string, std::string> copied = {
      {"tokenizer.json", "{\"a\":  1}\r\n"},
      {"tokenizer.json.gz", std::string("\x1f\x8b\0\xff", 4)},
      {"tokenizer_config.json", "{}"},
      {"vocab.json", "{ }"},
      {"merges.txt", "a b\n"},
      {"special_tokens_map.json", "{}\n"},
      {"added_tokens.json", "{}"},
      {"chat_template.jinja", "{{ x }}"},
      {"chat_template.json", "{}"},
      {"tokenizer.model", std::string("\0\n", 2)},
      {"LICENSE", "terms"},
      {"LICENSE.llama3.2.txt", "terms\r\n"},
      {"NOTICE.txt", ""},
      {"USE_POLICY.md", "# policy"},
      {"generation_config.json", "{\"eos_token_id\": [5, 6], \"top_p\": 0.8}"}};
  for (const auto& [name, text] : copied) write(base / name, text);
  write(base / "README.md", "not copied");
  write(base / "notes.txt", "not copied");
  const std::string config_text = R"({"model_type": "qwen2", "vocab_size": 100, "hidden_size": 24,
 "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
 "max_position_embeddings": 128, "tie_word_embeddings": true, "use_cache": true, "rms_norm_eps": 1e-06,
 "torch_dtype": "float32"})";
  write(base / "config.json", config_text);
  const ModelConfig config = load_config(base);
  EXPECT_EQ(config.eos_token_ids, (std::vector<int32_t>{5, 6}));

  SaveOptions options;
  options.base_folder = base;
  save_checkpoint(root_ / "same", config, random_parameters(config), options);
  for (const auto& [name, text] : copied) EXPECT_EQ(bytes(root_ / "same" / name), text) << name;
  EXPECT_EQ(bytes(root_ / "same" / "config.json"), config_text);
  EXPECT_FALSE(fs::exists(root_ / "same" / "README.md"));
  EXPECT_FALSE(fs::exists(root_ / "same" / "notes.txt"));

  options.dtype = tensor::DType::kBF16;
  save_checkpoint(root_ / "other", config, random_parameters(config), options);
  Json expected = parse_json(config_text, "config");
  expected["torch_dtype"] = "bfloat16";
  EXPECT_EQ(dump_json(read_json_file(root_ / "other" / "config.json")), dump_json(expected));
  EXPECT_EQ(load_checkpoint(root_ / "other").config.eos_token_ids, (std::vector<int32_t>{5, 6}));

  const ModelConfig wider = [&] {
    ModelConfig c = config;
    c.intermediate_size = 48;
    return c;
  }();
  try {
    save_checkpoint(root_ / "wrong", wider, random_parameters(wider), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.where().find("intermediate_size"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(root_ / "wrong"));
}

TEST_F(CheckpointTest, GenerationConfigListsWhatTheModelEndsWith) {
  const ModelConfig config = tiny();  // ends with 1
  const Parameters parameters = random_parameters(config);
  const fs::path base = root_ / "base";
  write(base / "config.json", config.to_json().dump());
  int saves = 0;
  const auto saved = [&](const std::vector<int32_t>& end_token_ids, bool with_base = true) {
    SaveOptions options;
    if (with_base) options.base_folder = base;
    options.end_token_ids = end_token_ids;
    const fs::path folder = root_ / std::to_string(saves++);
    save_checkpoint(folder, config, parameters, options);
    const ModelConfig loaded = load_checkpoint(folder).config;
    for (const int32_t id : end_token_ids) {
      EXPECT_EQ(std::count(loaded.eos_token_ids.begin(), loaded.eos_token_ids.end(), id), 1);
    }
    return bytes(folder / "generation_config.json");
  };
  const auto parsed = [](const std::string& text) { return parse_json(text, "saved"); };
  // A base without the file: the config's end token, and what it was trained with, as a list.
  EXPECT_EQ(parsed(saved({})), parsed(R"({"eos_token_id": [1]})"));
  EXPECT_EQ(parsed(saved({2, 1, 2})), parsed(R"({"eos_token_id": [1, 2]})"));
  EXPECT_EQ(parsed(saved({2}, false)), parsed(R"({"eos_token_id": [1, 2]})"));
  // With one that has them all: byte for byte, a number too.
  std::string text = "{ \"top_p\": 0.8,\r\n\"eos_token_id\": [5, 6] }";
  write(base / "generation_config.json", text);
  EXPECT_EQ(saved({}), text);
  EXPECT_EQ(saved({6, 5}), text);
  EXPECT_EQ(dump_json(parsed(saved({7, 6}))), R"({"top_p":0.8,"eos_token_id":[5,6,7]})");
  text = R"({"eos_token_id": 5, "do_sample": true})";
  write(base / "generation_config.json", text);
  EXPECT_EQ(saved({5}), text);
  EXPECT_EQ(dump_json(parsed(saved({7}))), R"({"eos_token_id":[5,7],"do_sample":true})");
  write(base / "generation_config.json", "{\"eos_token_id\": 5000}");
  EXPECT_THROW(saved({}), Error);
}

TEST_F(CheckpointTest, OnlyOurOwnCompleteFoldersAreReplaced) {
  const ModelConfig config = tiny();
  const Parameters one = random_parameters(config, 1), two = random_parameters(config, 2);
  const fs::path folder = root_ / "m" / "M1";
  fs::create_directories(folder);  // empty
  fs::create_directories(root_ / "m" / "M1.tmp" / "left by a killed process");
  save_checkpoint(folder, config, one, {});
  EXPECT_TRUE(bit_equal(load_checkpoint(folder).parameters, one));
  save_checkpoint(folder / "", config, two, {});  // a trailing slash
  EXPECT_TRUE(bit_equal(load_checkpoint(folder).parameters, two));
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "m"), {}), 1);

  // Over itself, as its own base.
  SaveOptions options;
  options.base_folder = folder;
  save_checkpoint(folder, config, one, options);
  EXPECT_TRUE(bit_equal(load_checkpoint(folder).parameters, one));

  const auto refused = [&] {
    EXPECT_THROW(save_checkpoint(folder, config, two, {}), Error);
    EXPECT_FALSE(fs::exists(root_ / "m" / "M1.tmp"));
  };
  fs::rename(folder / "ponder.json", root_ / "ponder.json");
  refused();  // somebody's own checkpoint
  EXPECT_TRUE(bit_equal(load_checkpoint(folder).parameters, one));
  fs::rename(root_ / "ponder.json", folder / "ponder.json");
  fs::resize_file(folder / "model.safetensors", 1000);
  refused();  // not complete
  fs::remove_all(folder);
  write(folder / "notes.txt", "mine");
  refused();
  EXPECT_EQ(bytes(folder / "notes.txt"), "mine");
  fs::remove_all(folder);
  write(folder, "a file");
  refused();
}

TEST_F(CheckpointTest, AFailedSaveLeavesNothing) {
  const ModelConfig config = tiny();
  const fs::path base = root_ / "base";
  write(base / "config.json", config.to_json().dump());
  fs::create_directories(base / "tokenizer.json");  // cannot be read as a file
  SaveOptions options;
  options.base_folder = base;
  EXPECT_THROW(save_checkpoint(root_ / "out", config, random_parameters(config), options), Error);
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), {}), 1);
}

TEST_F(CheckpointTest, InitAndInspect) {
  write(root_ / "config.json", tiny().to_json().dump());
  write(root_ / "tokenizer" / "tokenizer.json", "{}");
  ThreadPool pool(2);
  const std::string a = init_checkpoint(root_ / "config.json", root_ / "tokenizer", root_ / "a",
                                        tensor::DType::kBF16, 7, &pool);
  const std::string b =
      init_checkpoint(root_ / "config.json", {}, root_ / "b", tensor::DType::kBF16, 7);
  EXPECT_EQ(a, b);
  EXPECT_NE(init_checkpoint(root_ / "config.json", {}, root_ / "c", tensor::DType::kBF16, 8), a);
  EXPECT_THROW(init_checkpoint(root_ / "config.json", root_ / "a" / "nothing", root_ / "d",
                               tensor::DType::kBF16, 8),
               Error);

  const Inspection good = inspect_checkpoint(root_ / "a", true);
  EXPECT_EQ(good.architecture, "Qwen2ForCausalLM");
  EXPECT_EQ(good.parameters, tiny().num_parameters());
  EXPECT_EQ(good.sha256, a);
  EXPECT_EQ(good.dtype, "bfloat16");
  EXPECT_EQ(good.files, std::vector<std::string>{"model.safetensors"});
  EXPECT_EQ(good.problems, std::vector<std::string>{});

  Inspection bad = inspect_checkpoint(root_ / "b", false);
  ASSERT_EQ(bad.problems.size(), 1u);
  EXPECT_NE(bad.problems[0].find("tokenizer"), std::string::npos);
  EXPECT_EQ(bad.sha256, "");

  for (const char* type : {"qwen3", "llama"}) {
    ModelConfig config = tiny();
    config.model_type = type;
    write(root_ / type / "config.json", config.to_json().dump());
    init_checkpoint(root_ / type / "config.json", root_ / "tokenizer", root_ / (type + "-out"s),
                    tensor::DType::kF32, 7);
    const Inspection other = inspect_checkpoint(root_ / (type + "-out"s), true);
    EXPECT_EQ(other.architecture, config.architecture().class_name);
    EXPECT_EQ(other.parameters, config.num_parameters());
    EXPECT_EQ(other.problems, std::vector<std::string>{});
  }

  Json json = tiny().to_json();  // float32, unlike the weights
  json["num_hidden_layers"] = 3;
  write(root_ / "a" / "config.json", json.dump());
  bad = inspect_checkpoint(root_ / "a", true);
  EXPECT_EQ(bad.problems.size(), 12u + 1u);
  json["model_type"] = "qwen3_moe";
  write(root_ / "a" / "config.json", json.dump());
  bad = inspect_checkpoint(root_ / "a", true);
  ASSERT_EQ(bad.problems.size(), 1u);
  EXPECT_NE(bad.problems[0].find("qwen3_moe"), std::string::npos);
  EXPECT_EQ(bad.architecture, "");
  EXPECT_EQ(bad.sha256, a);
  EXPECT_THROW(inspect_checkpoint(root_ / "tokenizer", false), Error);
  EXPECT_THROW(inspect_checkpoint(root_ / "absent", false), Error);
}

}  // namespace
}  // namespace ponder::model
