"""The wheel for macOS, built and checked on Linux: `python -m tools.macos`. docs/macos-build.md describes it."""
