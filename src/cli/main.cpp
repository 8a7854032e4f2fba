// ponder: turns an instruct model into a slow-thinking reasoning model. Registers the commands, and
// is the one place where an Error becomes an exit code.
#include <fcntl.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "base/any_error.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/stop_signals.h"
#include "cli/usage_error.h"

namespace {

// A standard descriptor that the caller closed would be given to the next file opened, which then
// gets our lines. Standard output becomes one that cannot be written, so that losing it is seen.
void open_standard_descriptors() {
  for (const int fd : {0, 1, 2}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    [[maybe_unused]] const int opened = ::open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY);
  }
}

int run(int argc, char** argv) {
  using namespace ponder::cli;
  CLI::App app{
      "ponder: imitate, explore, self-improve; one binary from an instruct model to a "
      "slow-thinking one"};
  app.name("ponder");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(ponder::version()));
  register_run(app);
  register_plan(app);
  register_status(app);
  register_report(app);
  register_dash(app);
  register_compare(app);
  register_study(app);
  register_why(app);
  register_sft(app);
  register_dpo(app);
  register_generate(app);
  register_score(app);
  register_judge(app);
  register_eval(app);
  register_tokenize(app);
  register_inspect(app);
  register_init(app);
  register_export(app);
  register_pool(app);
  register_refine(app);
  register_data(app);
  register_synth(app);
  register_bench(app);
  register_chat(app);
  register_benchmarks(app);
  register_serve(app);
  register_doctor(app);
  register_fleet(app);
  register_teach(app);
  register_recipes(app);
  register_help(app);
  register_version(app);
  register_completion(app);
  // Last, or commands would inherit it.
  app.footer(
      "Examples:\n  ponder run recipes/quickstart.toml --out runs/quickstart\n  ponder status "
      "runs/quickstart\n"
      "  ponder COMMAND --help");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    tell("ponder: " + usage_error(app, error));
    return 2;
  } catch (const Stopped& stopped) {
    return 128 + stopped.signal;
  } catch (const std::exception& any) {
    const ponder::Error error = ponder::as_error(any);
    tell(std::string("ponder: ") + error.what());
    return error.kind() == ponder::ErrorKind::kUsage ? 2 : 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_descriptors();
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is a write that fails, which is told
  const int status = run(argc, argv);
  // Once, for every command: what was printed may have been lost at any of its writes.
  const bool lost = std::ferror(stdout) != 0;
  if ((std::fclose(stdout) == 0 && !lost) || status != 0) return status;
  ponder::cli::tell("ponder: standard output: could not be written; is the disk full?");
  return 1;
}
