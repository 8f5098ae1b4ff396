// mslc: compiles MSL files for the CPU, shows what became of them, runs them.
#include <exception>
#include <iostream>
#include <string_view>

#include "cli/compile.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/run.h"

namespace {

void run_command(int argc, char** argv) {
  using namespace mslc::cli;
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "run") {
    ArgumentReader arguments(argc, argv, 2);
    run(arguments);
  } else if (first == "--help" || first == "-h") {
    std::cout << kHelp;
  } else if (first == "--version") {
    std::cout << mslc::version() << "\n";
  } else if (first == "--clear-cache") {
    std::cout << mslc::clear_cache() << " bytes removed from " << mslc::cache_directory() << "\n";
  } else {
    ArgumentReader arguments(argc, argv, 1);
    compile(arguments);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run_command(argc, argv);
    std::cout.flush();
    if (std::cout) return 0;
    std::cerr << "mslc: error: cannot write the output\n";
  } catch (const mslc::CompileError& error) {
    std::cerr << error.what();
    return 1;
  } catch (const mslc::ValidationError& error) {
    std::cout.flush();
    std::cerr << "mslc: " << error.what() << "\n";
    return 4;
  } catch (const mslc::ExecutionError& error) {
    std::cerr << "mslc: error: " << error.what() << "\n";
    return 3;
  } catch (const mslc::cli::UsageError& error) {
    const bool is_run = argc > 1 && std::string_view(argv[1]) == "run";
    std::cerr << "mslc: error: " << error.what() << "\nTry 'mslc " << (is_run ? "run " : "") << "--help'.\n";
  } catch (const std::exception& error) {
    std::cerr << "mslc: error: " << error.what() << "\n";
  }
  return 2;
}
