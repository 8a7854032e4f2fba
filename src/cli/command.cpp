#include "cli/command.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "tokenizer/thought_format.h"

namespace ponder::cli {

void add_common_options(CLI::App& command, CommonOptions& options) {
  command.add_option("--threads", options.threads, "threads to use (default: all cores)")
      ->check(CLI::Range(1, 1024));
  command.add_option("--seed", options.seed, "seed of every random choice (default: 1)");
  command.add_flag("--quiet", options.quiet, "no progress on standard error");
  command.add_flag("--json", options.json, "JSON on standard output and nothing else");
}

void add_template_options(CLI::App& command, TemplateChoice& choice) {
  std::vector<std::string> names;
  for (const std::string_view name : ChatTemplate::names()) names.emplace_back(name);
  command
      .add_option("--chat-template", choice.name,
                  "chat template by name (default: the model's own, recognised by its text)")
      ->check(CLI::IsMember(names));
  command.add_flag("--allow-template-change", choice.allow_change,
                   "though the model or the rows were made with another template");
}

void add_thought_tags_option(CLI::App& command, std::string& tags) {
  command
      .add_option("--thought-tags", tags,
                  "tags of your own around thought (and solution), e.g. '<reason>,</reason>'")
      ->check([](const std::string& text) {
        return thought_tags_from_string(text)
                   ? std::string()
                   : "expected two or four different tags parted by commas, found \"" + text + "\"";
      });
}

void print_json(const Json& value) {
  const std::string text = dump_json(value) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

LineOutput::LineOutput(std::string path) : path_(std::move(path)) {
  if (path_.empty() || path_ == "-") {
    file_ = stdout;
    return;
  }
  file_ = std::fopen((path_ + ".tmp").c_str(), "wb");
  if (!file_)
    throw Error(path_, std::string("cannot be written: ") + std::strerror(errno),
                "check the folder");
}

LineOutput::~LineOutput() {
  if (!file_ || file_ == stdout) return;
  std::fclose(file_);
  std::remove((path_ + ".tmp").c_str());
}

void LineOutput::write(const std::string& line) {
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() ||
      std::fputc('\n', file_) == EOF) {
    throw Error(path_, std::string("cannot be written: ") + std::strerror(errno));
  }
}

void LineOutput::close() {
  if (std::fflush(file_) != 0)
    throw Error(path_, std::string("cannot be written: ") + std::strerror(errno));
  if (file_ == stdout) return;
  const bool closed = std::fclose(file_) == 0;
  file_ = nullptr;
  if (!closed || std::rename((path_ + ".tmp").c_str(), path_.c_str()) != 0) {
    throw Error(path_, std::string("cannot be written: ") + std::strerror(errno));
  }
}

}  // namespace ponder::cli
